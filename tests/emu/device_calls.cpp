// What kernels call on the emulator: faults, barriers, warp collectives, shared memory.
#include "fibers.h"

namespace emu {

constexpr size_t kMostStatic = 48 * 1024;  // compute capability 9.0

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
  if (me != nullptr) {  // allocated as the scheduler: no CUDA thread wrote this memory
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
