// The emulated plug-in's entry: the same table as cuda/backend.cpp, for a device that is always
// there.
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
    .synchronize = [](int) {},
    .step_queue = [](int) { return step_queue(); },
    .set_deterministic = [](bool) {},
};

}  // namespace
}  // namespace mld::cuda

extern "C" __attribute__((visibility("default"))) const mld::KernelTable* mld_cuda_backend(
    const char**) {
  return &mld::cuda::kTable;
}
