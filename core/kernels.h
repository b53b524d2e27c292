// How a kernel is reached: KERNEL(device, name)(arguments...), two calls from op to arithmetic.
//
// The contract page (kernels.inc) is compiled four ways: as the declarations of mld::cpu and of
// mld::cuda, as the fields of KernelTable, and as each backend's table. A kernel that is missing or
// whose parameters drifted from the page is a compile or link error in its backend.
// mld::meta's kernels are made from the page alone: they count, see core/meta/meter.h.
// The CUDA backend is a plug-in loaded on first use of a CUDA device: a CPU user pays nothing.
#pragma once

#include <utility>
#include <vector>

#include "core/specs.h"
#include "core/step_queue.h"
#include "core/tensor.h"

namespace mld {

class MemoryPool;
struct KernelTable;

#define MLD_KERNEL(name, parameters) void name parameters;
namespace cpu {
#include "core/kernels.inc"
std::unique_ptr<StepQueue> step_queue();
}
namespace cuda {
#include "core/kernels.inc"
}
#undef MLD_KERNEL

namespace meta {
const KernelTable& table();
}

// One backend: its kernels, its memory, a wait for all work in flight, its step queue.
struct KernelTable {
#define MLD_KERNEL(name, parameters) void(*name) parameters;
#include "core/kernels.inc"
#undef MLD_KERNEL
  MemoryPool& (*memory_pool)(int index);
  void (*synchronize)(int index);
  std::unique_ptr<StepQueue> (*step_queue)(int index);
  // Whether results must repeat bit for bit (the default); if not, algorithms are chosen by timing.
  // To be called before the backend computes anything.
  void (*set_deterministic)(bool deterministic);
};

// The table of a device's backend. Errors: Error when a CUDA device is asked for and the plug-in,
// the driver or the device is missing (says which).
const KernelTable& backend(Device device);

// For tests that watch or replace kernels: makes `table` the backend's; nullptr restores its own.
// `table` must outlive its use; no other thread may compute meanwhile.
void override_kernels(Backend backend, const KernelTable* table);

// "cpu", "cuda", "cuda:1" or "auto" (cuda:0 if usable, else cpu). Errors: UsageError.
Device parse_device(const std::string& text);

}  // namespace mld

#define KERNEL(device, name) (::mld::backend(device).name)
