// The device the process uses: its stream, its memory, and the check of every call's status.
//
// One process uses one CUDA device, the first that a tensor is made on. All kernels and library
// calls run on one compute stream (the inputs' copies on another: Note [Two inputs] in
// cuda/step_queue.cpp), so a block of memory that is freed may be handed out at once: whoever uses
// it next is queued behind whoever used it last.
#pragma once

#include <cuda_runtime_api.h>

#include <source_location>

#include "core/device.h"

namespace mld {
class MemoryPool;
}

namespace mld::cuda {

// Throws OutOfMemory or Error with the runtime's message and where the call was made.
void check(cudaError_t status,
           const std::source_location& where = std::source_location::current());

// Makes `index` the process's device. Errors: Error if there is no such device, or if another one
// is in use.
void use_device(int index);
Device current_device();

cudaStream_t stream();
int multiprocessors();
bool has_bf16_tensor_cores();  // compute capability 8.0 and newer

// Waits for everything queued on the compute stream. Errors: Error for any that failed.
void synchronize();

// Whether every launch is waited for (MLD_CUDA_SYNC is set), so that an error names the launch at
// fault. Not while launches are captured.
bool synchronous();
void set_capturing(bool capturing);
bool capturing();

// Whether a run must repeat bit for bit (the default): then nothing is chosen by timing, and no
// engine is used that adds in varying order.
void set_deterministic(bool deterministic);
bool deterministic();

MemoryPool& device_memory();

}  // namespace mld::cuda
