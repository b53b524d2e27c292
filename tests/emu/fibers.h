// The emulator's engine, for its own files: CUDA threads as fibers, the block that runs them.
// Compiled without sanitizers; it finds them by weak symbols if the program is linked with one.
//
// Note [Fibers and sanitizers]. A switch of stacks must be announced: to AddressSanitizer, or it
// takes the new stack for wild memory; to ThreadSanitizer, which then keeps the accesses of each
// CUDA thread apart. ThreadSanitizer learns of an order between CUDA threads at barriers only, so
// two accesses without a barrier between them are a race, however this engine happened to order
// them. Making such an identity costs far more than running a CUDA thread, so identities are kept,
// each with its stack, and the next block's threads use different ones: thread i of two blocks is
// never taken for one thread. (A race of thread i with thread i + 1 of the block before would be:
// that is the price.)
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulator.h"

extern "C" {
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
}

namespace emu {

constexpr unsigned kNoSync = 1;  // of __tsan_switch_to_fiber: a switch orders nothing

inline void acquire(void* key) {
  if (__tsan_acquire != nullptr) __tsan_acquire(key);
}
inline void release(void* key) {
  if (__tsan_release != nullptr) __tsan_release(key);
}
inline int grid_key;  // the key by which launches order memory

enum class State { ready, at_barrier, in_collective, done };

struct Seat;

// One CUDA thread.
struct Fiber {
  Context context{};
  void* stack_pointer = nullptr;  // null: not started
  const Seat* seat = nullptr;
  State state = State::ready;
  unsigned index = 0;
  // Where it waits, and the value it contributes.
  const char* what = "";
  Site site{};
  unsigned mask = 0;
  Slot slot{};
  const Slot* gathered = nullptr;
  std::shared_ptr<void> instructions;

  std::string where() const {
    return std::string(what) + " (" + site.file + ":" + std::to_string(site.line) + ")";
  }
};

struct Warp {
  Slot ring[64][32];  // results stay readable while lanes move on to later collectives
  unsigned next = 0;
  int key = 0;
};

// The block that an operating system thread is running.
struct Block {
  dim3 block_size, grid_size;
  size_t dynamic_bytes = 0;
  void (*body)(void*) = nullptr;
  void* argument = nullptr;

  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Fiber* current = nullptr;
  std::exception_ptr error;
  Vote vote{0, 1, 0}, result{};
  int start_key = 0, barrier_key = 0, allocation_key = 0;

  std::map<const void*, char*> shared;
  size_t static_bytes = 0;
  char* dynamic = nullptr;
  std::vector<std::unique_ptr<char[]>> memory;  // under ThreadSanitizer, of the blocks before too

  void* main_stack_pointer = nullptr;
  void* main_tsan = nullptr;
  const void* main_bottom = nullptr;
  size_t main_size = 0;
  size_t number = 0;  // of the launch's blocks that this operating system thread runs
};
constinit inline thread_local Block* block = nullptr;

char* new_shared(Block& b, size_t bytes);  // full of NaN
// Runs the fiber until it waits or ends; and the fiber's switch back.
void resume(Block& b, Fiber& fiber);
void to_scheduler();

}  // namespace emu
