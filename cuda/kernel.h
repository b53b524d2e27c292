// What every kernel source includes: one spelling for nvcc and for the emulator (tests/emu), which
// compiles the same sources as C++.
//
// Rules that make both work: no <<<>>>, launch() only; shared memory through SHARED and DYN_SHARED;
// only _sync warp functions, with masks of the calling lanes; __syncwarp() where lanes exchange
// through shared memory; no device lambdas; PTX in instructions.cuh alone, each with its meaning in
// C++; 64-bit element offsets; no float atomics, so that two runs agree bit for bit.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "cuda/runtime.h"

#if defined(__CUDACC__)

#include <cuda_runtime.h>

// SHARED(float[32], part): a block's array.
#define SHARED(type, name) __shared__ std::type_identity_t<type> name
// DYN_SHARED(float, tile): the block's dynamic shared memory, as a pointer.
#define DYN_SHARED(type, name)                                            \
  extern __shared__ __align__(16) unsigned char mld_dynamic_shared[];     \
  type* const name = reinterpret_cast<type*>(mld_dynamic_shared)

namespace mld::cuda {

// Runs the kernel on the compute stream. Errors: Error if the device refuses the launch.
template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_bytes, A&&... arguments) {
  constexpr size_t kWithoutAsking = 48 * 1024;
  if (dynamic_bytes > kWithoutAsking) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(dynamic_bytes)));
  }
  kernel<<<grid, block, dynamic_bytes, stream()>>>(static_cast<P>(arguments)...);
  check(cudaGetLastError());
  if (synchronous()) {
    synchronize();
  }
}

}  // namespace mld::cuda

#else

#include <cuda_emulator.h>

#define SHARED(type, name)                                            \
  static char name##_key;                                             \
  std::type_identity_t<type>& name = *static_cast<std::type_identity_t<type>*>( \
      emu::shared_object(&name##_key, sizeof(type), {__FILE__, __LINE__}))
#define DYN_SHARED(type, name) type* const name = static_cast<type*>(emu::dynamic_shared())

namespace mld::cuda {

template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_bytes, A&&... arguments) {
  emu::launch(kernel, grid, block, dynamic_bytes, static_cast<A&&>(arguments)...);
}

}  // namespace mld::cuda

#endif
