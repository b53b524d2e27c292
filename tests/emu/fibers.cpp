// The emulator's engine: fibers, barriers, warp collectives, launches. Compiled without sanitizers;
// it finds them, where the program is linked with one, by weak symbols.
//
// Note [Fibers and sanitizers]. A switch of stacks must be announced: to AddressSanitizer, or it
// takes the new stack for wild memory; to ThreadSanitizer, which then keeps the accesses of each
// CUDA thread apart. ThreadSanitizer is told nothing of an order between CUDA threads but at
// barriers, so two accesses without a barrier between them are a race, however this engine happened
// to order them. Making such an identity costs far more than running a CUDA thread, so identities
// are kept, each with its stack, and the next block's threads sit on other ones: thread i of two
// blocks is never taken for one thread. (A race of thread i with thread i + 1 of the block before
// would be: that is the price.)
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <map>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "cuda_emulator.h"

extern "C" {
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake, const void* bottom, size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake, const void** bottom, size_t* size);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* address, size_t size);
// Saves the callee's registers and stack pointer, and goes on where `load` was saved.
void emu_switch(void** save, void* load);
}

#if !defined(__x86_64__)
#error "the emulator's context switch is written for x86-64"
#endif
asm(R"(.text
.type emu_switch,@function
emu_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp,(%rdi)
  mov %rsi,%rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size emu_switch,.-emu_switch)");

namespace emu {

std::vector<std::function<void()>>* captured = nullptr;
thread_local const Context* now = nullptr;

namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr size_t kMostStatic = 48 * 1024, kMostShared = 227 * 1024;  // compute capability 9.0
constexpr unsigned kNoSync = 1;  // of __tsan_switch_to_fiber: a switch orders nothing

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}
int order() {
  static const int value = setting("EMU_ORDER", 0);
  return value;
}

int grid_key;  // what launches order memory by
void acquire(void* key) {
  if (__tsan_acquire != nullptr) __tsan_acquire(key);
}
void release(void* key) {
  if (__tsan_release != nullptr) __tsan_release(key);
}

enum class State { ready, at_barrier, in_collective, done };

// A stack, and ThreadSanitizer's identity of who runs on it. See Note [Fibers and sanitizers].
struct Seat {
  char* stack = nullptr;
  void* tsan = nullptr;

  Seat() {
    void* mapped = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
      throw std::bad_alloc();
    }
    stack = static_cast<char*>(mapped);
    if (__tsan_create_fiber != nullptr) {
      tsan = __tsan_create_fiber(0);
    }
  }
  ~Seat() {
    if (__tsan_destroy_fiber != nullptr) {
      __tsan_destroy_fiber(tsan);
    }
    munmap(stack, kStackBytes);
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
};
// Of this operating system thread.
thread_local std::deque<Seat> seats;

// One CUDA thread.
struct Fiber {
  Context context{};
  void* stack_pointer = nullptr;  // null: not started
  const Seat* seat = nullptr;
  State state = State::ready;
  unsigned index = 0;
  // Where it waits, and what it brought.
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
  Slot ring[64][32];  // results stay readable while the lanes go on to the next collectives
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
thread_local Block* block = nullptr;

[[noreturn]] void fault_of(Fiber& fiber, const std::string& message) {
  block->current = &fiber;
  now = &fiber.context;
  fault(message, fiber.site);
}

char* new_shared(Block& b, size_t bytes) {
  b.memory.emplace_back(new char[bytes]);
  std::memset(b.memory.back().get(), 0xFF, bytes);  // NaN
  return b.memory.back().get();
}

// ---- switching ----------------------------------------------------------------------------------

void to_scheduler() {
  Block* b = block;
  Fiber* fiber = b->current;
  void* fake = nullptr;
  if (__sanitizer_start_switch_fiber != nullptr) {
    __sanitizer_start_switch_fiber(fiber->state == State::done ? nullptr : &fake, b->main_bottom,
                                   b->main_size);
  }
  if (__tsan_switch_to_fiber != nullptr) {
    __tsan_switch_to_fiber(b->main_tsan, kNoSync);
  }
  emu_switch(&fiber->stack_pointer, b->main_stack_pointer);
  if (__sanitizer_finish_switch_fiber != nullptr) {
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  }
}

void entry() {
  Block* b = block;
  if (__sanitizer_finish_switch_fiber != nullptr) {
    __sanitizer_finish_switch_fiber(nullptr, &b->main_bottom, &b->main_size);
  }
  acquire(&b->start_key);
  try {
    b->body(b->argument);
  } catch (...) {
    b->error = b->error ? b->error : std::current_exception();
  }
  b->current->state = State::done;
  release(&grid_key);
  to_scheduler();
  std::abort();
}

void prepare(Block& b, Fiber& fiber) {
  const size_t n = b.fibers.size();
  while (seats.size() < n) {
    seats.emplace_back();
  }
  fiber.seat = &seats[(fiber.index + b.number) % n];
  if (__asan_unpoison_memory_region != nullptr) {
    __asan_unpoison_memory_region(fiber.seat->stack, kStackBytes);
  }
  // Offset, since the tops of equal stacks would all fall into one set of the cache; and 8 modulo
  // 16 at entry, as the calling convention wants.
  char* top = fiber.seat->stack + kStackBytes - fiber.index % 128 * 64;
  void** words = reinterpret_cast<void**>(top) - 3;
  *--words = reinterpret_cast<void*>(&entry);
  for (int i = 0; i < 6; ++i) {
    *--words = nullptr;  // the six registers
  }
  fiber.stack_pointer = words;
}

void resume(Block& b, Fiber& fiber) {
  b.current = &fiber;
  now = &fiber.context;
  if (fiber.stack_pointer == nullptr) {
    prepare(b, fiber);
  }
  void* fake = nullptr;
  if (__sanitizer_start_switch_fiber != nullptr) {
    __sanitizer_start_switch_fiber(&fake, fiber.seat->stack, kStackBytes);
  }
  if (__tsan_switch_to_fiber != nullptr) {
    __tsan_switch_to_fiber(fiber.seat->tsan, kNoSync);
  }
  emu_switch(&b.main_stack_pointer, fiber.stack_pointer);
  if (__sanitizer_finish_switch_fiber != nullptr) {
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  }
}

// ---- scheduling ---------------------------------------------------------------------------------

// Completes the collective that this fiber waits in if all its lanes have come.
bool complete_collective(Block& b, Fiber& fiber) {
  const unsigned first = fiber.index / 32 * 32;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(fiber.mask >> lane & 1)) {
      continue;
    }
    if (first + lane >= b.fibers.size()) {
      fault_of(fiber, fiber.where() + ": the mask names a lane outside the block");
    }
    const Fiber& other = b.fibers[first + lane];
    if (other.state == State::done) {
      fault_of(fiber, fiber.where() + ": the mask names lane " + std::to_string(lane) +
                          ", which has exited");
    }
    if (other.state != State::in_collective) {
      return false;
    }
    if (other.mask != fiber.mask || std::strcmp(other.what, fiber.what) != 0) {
      fault_of(fiber, "lanes of one mask wait at different collectives: " + fiber.where() +
                          " and " + other.where());
    }
  }
  Warp& warp = b.warps[first / 32];
  Slot* slots = warp.ring[warp.next++ % 64];
  const unsigned mask = fiber.mask;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (mask >> lane & 1) {
      Fiber& other = b.fibers[first + lane];
      slots[lane] = other.slot;
      other.gathered = slots;
      other.state = State::ready;
    }
  }
  return true;
}

// Nobody can run: all that are left must be at the same block barrier, which then opens.
void open_barrier(Block& b) {
  const Fiber* first = nullptr;
  for (Fiber& fiber : b.fibers) {
    if (fiber.state == State::done) {
      continue;
    }
    if (fiber.state == State::in_collective) {
      fault_of(fiber, "deadlock: " + fiber.where() + " waits for lanes that never come");
    }
    first = first != nullptr ? first : &fiber;
    if (fiber.site.line != first->site.line || fiber.site.file != first->site.file) {
      fault_of(fiber, "divergent barrier: " + fiber.where() + " and " + first->where());
    }
  }
  b.result = b.vote;
  b.vote = {0, 1, 0};
  for (Fiber& fiber : b.fibers) {
    if (fiber.state == State::at_barrier) {
      fiber.state = State::ready;
    }
  }
}

void start_block(Block& b, uint3 index) {
  const dim3 size = b.block_size;
  const unsigned n = size.x * size.y * size.z;
  b.fibers.assign(n, {});
  b.warps.resize((n + 31) / 32);
  b.shared.clear();
  b.static_bytes = 0;
  if (__tsan_create_fiber == nullptr) {
    b.memory.clear();  // else freeing would need an order between blocks that a GPU does not give
  }
  b.dynamic = new_shared(b, b.dynamic_bytes);
  for (unsigned i = 0; i < n; ++i) {
    b.fibers[i].index = i;
    b.fibers[i].context = {{i % size.x, i / size.x % size.y, i / (size.x * size.y)},
                           index, size, b.grid_size, i % 32};
  }
  release(&b.start_key);
}

void run_block(Block& b, uint3 index) {
  start_block(b, index);
  const size_t n = b.fibers.size();
  std::vector<size_t> turn(n);
  for (size_t i = 0; i < n; ++i) {
    turn[i] = order() == 1 ? n - 1 - i : i;
  }
  std::mt19937 random(static_cast<unsigned>(order()));
  for (size_t alive = n; alive > 0;) {
    if (order() > 1) {
      std::shuffle(turn.begin(), turn.end(), random);
    }
    bool ran = false;
    for (const size_t i : turn) {
      Fiber& fiber = b.fibers[i];
      if (fiber.state != State::ready) {
        continue;
      }
      ran = true;
      resume(b, fiber);
      if (b.error) {
        std::rethrow_exception(b.error);
      }
      alive -= fiber.state == State::done;
    }
    for (Fiber& fiber : b.fibers) {
      if (fiber.state == State::in_collective) {
        ran = complete_collective(b, fiber) || ran;
      }
    }
    if (!ran && alive > 0) {
      open_barrier(b);
    }
  }
}

void check_launch(dim3 grid, dim3 size, size_t dynamic_bytes) {
  const uint64_t threads = uint64_t{size.x} * size.y * size.z;
  const auto refuse = [](const std::string& what) { throw Fault("launch: " + what); };
  if (threads == 0 || threads > 1024 || size.z > 64) {
    refuse(std::to_string(threads) + " threads in a block");
  }
  if (uint64_t{grid.x} * grid.y * grid.z == 0 || grid.x > 2147483647u || grid.y > 65535 ||
      grid.z > 65535) {
    refuse("a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " +
           std::to_string(grid.z) + " blocks");
  }
  if (dynamic_bytes > kMostShared) {
    refuse(std::to_string(dynamic_bytes) + " bytes of dynamic shared memory");
  }
}

}  // namespace

void run(dim3 grid, dim3 size, size_t dynamic_bytes, void (*body)(void*), void* argument) {
  check_launch(grid, size, dynamic_bytes);
  static const size_t workers = static_cast<size_t>(std::max(1, setting("EMU_THREADS", 1)));
  const size_t total = size_t{grid.x} * grid.y * grid.z;
  std::vector<std::exception_ptr> errors(workers);
  const auto work = [&](size_t worker) {
    Block b;
    b.block_size = size;
    b.grid_size = grid;
    b.dynamic_bytes = dynamic_bytes;
    b.body = body;
    b.argument = argument;
    b.main_tsan = __tsan_get_current_fiber != nullptr ? __tsan_get_current_fiber() : nullptr;
    block = &b;
    try {
      for (size_t i = worker; i < total; i += workers) {
        const size_t j = order() == 1 ? total - 1 - i : i;
        b.number = i / workers;
        run_block(b, {static_cast<unsigned>(j % grid.x), static_cast<unsigned>(j / grid.x % grid.y),
                      static_cast<unsigned>(j / (size_t{grid.x} * grid.y))});
      }
    } catch (...) {
      errors[worker] = std::current_exception();
    }
    acquire(&grid_key);  // before the blocks' memory is freed
    block = nullptr;
    now = nullptr;
  };
  std::vector<std::thread> threads;
  for (size_t worker = 1; worker < workers; ++worker) {
    threads.emplace_back(work, worker);
  }
  work(0);
  for (std::thread& thread : threads) {
    thread.join();
  }
  acquire(&grid_key);
  for (const std::exception_ptr& error : errors) {
    if (error) {
      std::rethrow_exception(error);
    }
  }
}

// ---- what kernels call --------------------------------------------------------------------------

void fault(const std::string& what, const Site& site) {
  const auto triple = [](const uint3& v) {
    return "(" + std::to_string(v.x) + ", " + std::to_string(v.y) + ", " + std::to_string(v.z) +
           ")";
  };
  throw Fault(what + " at " + site.file + ":" + std::to_string(site.line) + ", block " +
              triple(now->block) + " thread " + triple(now->thread));
}

Vote block_barrier(int predicate, const char* what, const Site& site) {
  Block& b = *block;
  Fiber& fiber = *b.current;
  fiber.state = State::at_barrier;
  fiber.what = what;
  fiber.site = site;
  b.vote.any |= predicate != 0;
  b.vote.all &= predicate != 0;
  b.vote.count += predicate != 0;
  release(&b.barrier_key);
  to_scheduler();
  acquire(&b.barrier_key);
  return b.result;
}

const Slot* warp_gather(unsigned mask, const Slot& value, const char* what, const Site& site) {
  Fiber& fiber = *block->current;
  if (!(mask >> fiber.context.lane & 1)) {
    fault(std::string(what) + ": the mask does not name the calling lane", site);
  }
  fiber.slot = value;
  fiber.state = State::in_collective;
  fiber.mask = mask;
  fiber.what = what;
  fiber.site = site;
  to_scheduler();
  return fiber.gathered;
}

void warp_barrier(unsigned mask, const Site& site) {
  int* key = &block->warps[block->current->index / 32].key;
  release(key);
  warp_gather(mask, {}, "__syncwarp", site);
  acquire(key);
}

void* shared_object(const void* key, size_t bytes, const Site& site) {
  Block& b = *block;
  void* me = __tsan_get_current_fiber != nullptr ? __tsan_get_current_fiber() : nullptr;
  if (me != nullptr) {  // allocated in the scheduler's name: no CUDA thread wrote this memory
    __tsan_switch_to_fiber(b.main_tsan, kNoSync);
  }
  char*& object = b.shared[key];
  if (object == nullptr) {
    object = new_shared(b, bytes);
    b.static_bytes += bytes;
  }
  char* const result = object;
  if (me != nullptr) {
    release(&b.allocation_key);
    __tsan_switch_to_fiber(me, kNoSync);
    acquire(&b.allocation_key);
  }
  if (b.static_bytes > kMostStatic) {
    fault("more than 48 KiB of static shared memory", site);
  }
  return result;
}

void* dynamic_shared() { return block->dynamic; }
std::shared_ptr<void>& thread_state() { return block->current->instructions; }

}  // namespace emu
