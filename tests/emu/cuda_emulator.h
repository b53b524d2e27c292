// CUDA kernels as plain C++: what cuda/kernel.h includes where nvcc is not the compiler.
//
// An operating system thread runs one block at a time; the block's CUDA threads are fibers that
// switch only at barriers and warp collectives, in an order set by the environment (EMU_ORDER: 0
// forward, 1 reverse, else the seed of a shuffle). A result that depends on the order is a race.
// Under ThreadSanitizer every CUDA thread is a fiber of its own and only barriers and launches
// order memory, which makes it a race detector for shared and global memory; under AddressSanitizer
// shared arrays have red zones. Shared memory starts as NaN. Not modelled: bank conflicts,
// coalescing, registers, two streams running at the same time, and instructions that have no
// emulation.
#pragma once

#include <cuda_runtime.h>  // dim3, float4, cudaStream_t: types only

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace emu {

struct Site {
  const char* file;
  unsigned line;
};

// An error in a kernel: the message says what, where, and in which thread.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the running CUDA thread sees.
struct Context {
  uint3 thread, block;
  dim3 block_size, grid_size;
  unsigned lane;
};
extern thread_local const Context* now;

[[noreturn]] void fault(const std::string& what, const Site& site);

// One lane's value in a warp collective.
struct Slot {
  alignas(16) unsigned char bytes[16];
};
struct Vote {
  int any, all, count;
};
Vote block_barrier(int predicate, const char* what, const Site& site);
// The values of all lanes in the mask, by lane.
const Slot* warp_gather(unsigned mask, const Slot& value, const char* what, const Site& site);
void warp_barrier(unsigned mask, const Site& site);
// The block's object for this key, made on first use, all bits set.
void* shared_object(const void* key, size_t bytes, const Site& site);
void* dynamic_shared();
// Per-thread state of emulated instructions.
std::shared_ptr<void>& thread_state();

// Runs body(argument) for every thread of every block. Errors: Fault for a launch beyond the limits
// of compute capability 9.0, and whatever a thread raises.
void run(dim3 grid, dim3 block, size_t dynamic_bytes, void (*body)(void*), void* argument);

// While a graph is captured, the list that launches and other device work go to instead of running;
// else null.
extern std::vector<std::function<void()>>* captured;
template <class Work>
void perform(Work&& work) {
  if (captured != nullptr) {
    captured->emplace_back(std::forward<Work>(work));
  } else {
    work();
  }
}

// Arguments are copied, as on a GPU.
template <class... P, class... A>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_bytes, A&&... a) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<P...> arguments;
  } call{kernel, {static_cast<P>(a)...}};
  perform([grid, block, dynamic_bytes, call]() mutable {
    const auto body = [](void* p) {
      auto* c = static_cast<Call*>(p);
      std::apply(c->kernel, c->arguments);
    };
    run(grid, block, dynamic_bytes, body, &call);
  });
}

template <class T>
const Slot* gather(unsigned mask, const T& value, const char* what, const Site& site) {
  static_assert(sizeof(T) <= sizeof(Slot) && std::is_trivially_copyable_v<T>);
  Slot slot{};
  std::memcpy(slot.bytes, &value, sizeof value);
  return warp_gather(mask, slot, what, site);
}

template <class T>
T lane_value(const Slot* slots, unsigned mask, unsigned lane, const Site& site) {
  if (lane > 31 || !(mask >> lane & 1)) {
    fault("a shuffle reads lane " + std::to_string(lane) + ", which its mask does not name", site);
  }
  T value;
  std::memcpy(&value, slots[lane].bytes, sizeof value);
  return value;
}

}  // namespace emu

#undef __launch_bounds__
#define __launch_bounds__(...)
#define threadIdx (emu::now->thread)
#define blockIdx (emu::now->block)
#define blockDim (emu::now->block_size)
#define gridDim (emu::now->grid_size)

// The call site, passed to every collective.
#define EMU_FROM const char *file_ = __builtin_FILE(), unsigned line_ = __builtin_LINE()
#define EMU_SITE (emu::Site{file_, line_})

inline void __syncthreads(EMU_FROM) { emu::block_barrier(0, "__syncthreads", EMU_SITE); }
inline int __syncthreads_or(int p, EMU_FROM) {
  return emu::block_barrier(p, "__syncthreads_or", EMU_SITE).any;
}
inline int __syncthreads_and(int p, EMU_FROM) {
  return emu::block_barrier(p, "__syncthreads_and", EMU_SITE).all;
}
inline int __syncthreads_count(int p, EMU_FROM) {
  return emu::block_barrier(p, "__syncthreads_count", EMU_SITE).count;
}
inline void __syncwarp(unsigned mask = ~0u, EMU_FROM) { emu::warp_barrier(mask, EMU_SITE); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMU_FROM) {
  const auto* slots = emu::gather(mask, value, "__shfl_sync", EMU_SITE);
  const unsigned w = static_cast<unsigned>(width), first = emu::now->lane & ~(w - 1);
  return emu::lane_value<T>(slots, mask, first + (static_cast<unsigned>(source) & (w - 1)),
                            EMU_SITE);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMU_FROM) {
  const auto* slots = emu::gather(mask, value, "__shfl_xor_sync", EMU_SITE);
  const unsigned w = static_cast<unsigned>(width), lane = emu::now->lane;
  const unsigned target = lane ^ static_cast<unsigned>(bits);
  return target / w > lane / w ? value : emu::lane_value<T>(slots, mask, target, EMU_SITE);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMU_FROM) {
  const auto* slots = emu::gather(mask, value, "__shfl_down_sync", EMU_SITE);
  const unsigned w = static_cast<unsigned>(width), lane = emu::now->lane;
  return lane % w + delta >= w ? value : emu::lane_value<T>(slots, mask, lane + delta, EMU_SITE);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMU_FROM) {
  const auto* slots = emu::gather(mask, value, "__shfl_up_sync", EMU_SITE);
  const unsigned w = static_cast<unsigned>(width), lane = emu::now->lane;
  return lane % w < delta ? value : emu::lane_value<T>(slots, mask, lane - delta, EMU_SITE);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, EMU_FROM) {
  const auto* slots =
      emu::gather(mask, static_cast<int>(predicate != 0), "__ballot_sync", EMU_SITE);
  unsigned votes = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) {
      votes |= static_cast<unsigned>(emu::lane_value<int>(slots, mask, lane, EMU_SITE)) << lane;
    }
  }
  return votes;
}
inline int __any_sync(unsigned mask, int predicate, EMU_FROM) {
  return __ballot_sync(mask, predicate, file_, line_) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMU_FROM) {
  return __ballot_sync(mask, predicate, file_, line_) == mask;
}

using std::max;
using std::min;
template <class T>
T __ldg(const T* p) { return *p; }
inline int __popc(unsigned v) { return std::popcount(v); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((uint64_t{a} * b) >> 32);
}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
