// Launches: the blocks of a grid, the order in which their threads run, barriers and collectives.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "fibers.h"

namespace emu {
namespace {

constexpr size_t kMostShared = 227 * 1024;  // compute capability 9.0

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}
int order() {
  static const int value = setting("EMU_ORDER", 0);
  return value;
}

[[noreturn]] void fault_of(Fiber& fiber, const std::string& message) {
  block->current = &fiber;
  now = &fiber.context;
  fault(message, fiber.site);
}

// Completes the collective that this fiber waits in, if all its lanes have arrived.
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

// No fiber can run: all that are left must be at the same block barrier, which then opens.
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
    b.memory.clear();  // else freeing would order blocks, which a GPU does not
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

}  // namespace emu
