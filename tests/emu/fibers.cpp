// Switching between the stacks of CUDA threads. See Note [Fibers and sanitizers].
#include "fibers.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <new>

extern "C" {
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake, const void* bottom, size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake, const void** bottom, size_t* size);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* address, size_t size);
// Saves the callee's registers and stack pointer, and continues where `load` was saved.
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

constexpr size_t kStackBytes = 64 * 1024;

// A stack, and ThreadSanitizer's identity for its thread. See Note [Fibers and sanitizers].
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
namespace {

// This operating system thread's.
thread_local std::deque<Seat> seats;

}  // namespace

char* new_shared(Block& b, size_t bytes) {
  b.memory.emplace_back(new char[bytes]);
  std::memset(b.memory.back().get(), 0xFF, bytes);  // NaN
  return b.memory.back().get();
}

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

static void entry() {
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

static void prepare(Block& b, Fiber& fiber) {
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

}  // namespace emu
