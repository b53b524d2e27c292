#include "cuda/runtime.h"

#include <cstdlib>
#include <mutex>

#include "core/error.h"
#include "core/memory.h"
#include "cuda/owned.h"

namespace mld::cuda {
namespace {

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;

// The device in use.
struct DeviceState {
  int index = -1;
  cudaDeviceProp properties{};
  Stream stream;
  bool capturing = false;
  bool deterministic = true;
};

// Never destroyed: at process exit the driver may be unloaded first.
DeviceState& state() {
  static auto* made = new DeviceState;
  return *made;
}

void* allocate_device(size_t bytes) {
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // clears the error
    return nullptr;
  }
  check(status);  // perhaps an earlier kernel's error, not a lack of memory
  return block;
}

}  // namespace

void check(cudaError_t status, const std::source_location& where) {
  if (status == cudaSuccess) [[likely]] {
    return;
  }
  cudaGetLastError();  // clears it, or the next call would report it again
  require<OutOfMemory>(status != cudaErrorMemoryAllocation,
                       "out of memory on the CUDA device ({}:{}); try a smaller train.batch_size",
                       where.file_name(), where.line());
  fail("CUDA: {} ({}:{})", cudaGetErrorString(status), where.file_name(), where.line());
}

void use_device(int index) {
  DeviceState& device = state();
  if (device.index != index) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    if (device.index < 0) {
      int count = 0;
      check(cudaGetDeviceCount(&count));
      require(index < count, "device cuda:{}: there are {} CUDA devices here", index, count);
      check(cudaSetDevice(index));
      check(cudaGetDeviceProperties(&device.properties, index));
      cudaStream_t raw = nullptr;
      check(cudaStreamCreateWithFlags(&raw, cudaStreamNonBlocking));
      device.stream.reset(raw);
      device.index = index;
    }
    require(device.index == index, "device cuda:{}: this process already uses cuda:{}; a process "
                                   "uses one CUDA device", index, device.index);
  }
  thread_local bool chosen = false;  // the runtime's current device is the thread's
  if (!chosen) {
    check(cudaSetDevice(index));
    chosen = true;
  }
}

Device current_device() { return {Backend::cuda, state().index}; }
cudaStream_t stream() { return state().stream.get(); }
int multiprocessors() { return state().properties.multiProcessorCount; }
bool has_bf16_tensor_cores() { return state().properties.major >= 8; }
void synchronize() { check(cudaStreamSynchronize(stream())); }

bool synchronous() {
  static const bool asked = std::getenv("MLD_CUDA_SYNC") != nullptr;
  return asked && !state().capturing;
}

void set_capturing(bool capturing) { state().capturing = capturing; }
bool capturing() { return state().capturing; }

void set_deterministic(bool deterministic) { state().deterministic = deterministic; }
bool deterministic() { return state().deterministic; }

MemoryPool& device_memory() {
  // Never destroyed: tensors in static storage may outlive any order of destruction.
  static auto* pool = new MemoryPool(
      allocate_device, [](void* block, size_t) { cudaFree(block); },
      fmt::format("cuda:{} ({}, {} MiB)", state().index, state().properties.name,
                  state().properties.totalGlobalMem >> 20),
      [] {
        size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total));
        return free;
      });
  return *pool;
}

}  // namespace mld::cuda
