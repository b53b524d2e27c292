// The plug-in's one entry: its table of kernels, filled from the contract page.
#include "core/kernels.h"
#include "core/memory.h"
#include "cuda/runtime.h"
#include "cuda/step_queue.h"

namespace mld::cuda {
namespace {

const KernelTable kTable = {
#define MLD_KERNEL(name, parameters) .name = cuda::name,
#include "core/kernels.inc"
#undef MLD_KERNEL
    .memory_pool = [](int index) -> MemoryPool& {
      use_device(index);
      return device_memory();
    },
    .synchronize = [](int index) {
      use_device(index);
      synchronize();
    },
    .step_queue = [](int index) {
      use_device(index);
      return step_queue();
    },
    .set_deterministic = set_deterministic,
};

}  // namespace
}  // namespace mld::cuda

// The table, or null and the reason why the backend cannot be used here. core/kernels.cpp looks it
// up by name.
extern "C" __attribute__((visibility("default"))) const mld::KernelTable* mld_cuda_backend(
    const char** reason) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    *reason = cudaGetErrorString(status);
    return nullptr;
  }
  if (count == 0) {
    *reason = "there is no CUDA device";
    return nullptr;
  }
  return &mld::cuda::kTable;
}
