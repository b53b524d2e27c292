#include "core/kernels.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>

#include "core/memory.h"

namespace mld {
namespace {

const KernelTable kCpu = {
#define MLD_KERNEL(name, parameters) .name = cpu::name,
#include "core/kernels.inc"
#undef MLD_KERNEL
    .memory_pool = [](int) -> MemoryPool& { return memory_pool(Device{}); },
    .synchronize = [](int) {},
    .step_queue = [](int) { return cpu::step_queue(); },
    .set_deterministic = [](bool) {},  // results always repeat
};

const KernelTable* cpu_table = &kCpu;
const KernelTable* cuda_override = nullptr;

// The plug-in's only entry point: its table, or nullptr and the reason why it cannot be used.
using CudaEntry = const KernelTable* (*)(const char** reason);

struct CudaBackend {
  const KernelTable* table = nullptr;
  std::string reason;
};

// The plug-in brings CUDA's libraries along, hundreds of MiB: it is loaded only where there is a
// driver to use them. MLD_CUDA_PLUGIN names another plug-in that needs none: the emulator of
// tests/emu.
CudaBackend load_cuda() {
  const char* other = std::getenv("MLD_CUDA_PLUGIN");
  if (other == nullptr && dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    return {nullptr, "there is no NVIDIA driver here (libcuda.so.1 is not found)"};
  }
  void* plugin = dlopen(other != nullptr ? other : "libmld_cuda.so", RTLD_NOW | RTLD_LOCAL);
  if (plugin == nullptr) {
    return {nullptr, fmt::format("the CUDA backend is not available ({})", dlerror())};
  }
  const auto entry = reinterpret_cast<CudaEntry>(dlsym(plugin, "mld_cuda_backend"));
  if (entry == nullptr) {
    return {nullptr, "libmld_cuda.so is of another version than this program"};
  }
  const char* reason = "";
  const KernelTable* table = entry(&reason);
  return {table, reason};
}

const CudaBackend& cuda_backend() {
  static const CudaBackend loaded = load_cuda();
  return loaded;
}

}  // namespace

const KernelTable& backend(Device device) {
  if (device.is_cpu()) [[likely]] {
    return *cpu_table;
  }
  if (device.is_meta()) {
    return meta::table();
  }
  if (cuda_override != nullptr) {
    return *cuda_override;
  }
  const CudaBackend& cuda = cuda_backend();
  require(cuda.table != nullptr, "device {}: {}; try --device cpu", device.str(), cuda.reason);
  return *cuda.table;
}

std::unique_ptr<StepQueue> make_step_queue(Device device) {
  return backend(device).step_queue(device.index);
}

void override_kernels(Backend backend, const KernelTable* table) {
  if (backend == Backend::cpu) {
    cpu_table = table ? table : &kCpu;
  } else {
    cuda_override = table;
  }
}

Device parse_device(const std::string& text) {
  if (text == "cpu") {
    return {};
  }
  if (text == "auto") {
    return cuda_backend().table != nullptr ? Device{Backend::cuda, 0} : Device{};
  }
  if (text == "cuda") {
    return {Backend::cuda, 0};
  }
  int index = -1;
  if (text.starts_with("cuda:")) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + 5, end, index);
    if (parsed.ec == std::errc{} && parsed.ptr == end && index >= 0) {
      return {Backend::cuda, index};
    }
  }
  fail<UsageError>("device: \"{}\" is not one of auto, cpu, cuda, cuda:N", text);
}

}  // namespace mld
