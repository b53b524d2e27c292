#include "core/memory.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <new>

#include "core/error.h"
#include "core/kernels.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace mld {

// Under AddressSanitizer only the bytes that were asked for can be touched, and only until they are
// given back: a stray access is found although the pool still owns the memory.
void MemoryPool::allow_only([[maybe_unused]] void* block, [[maybe_unused]] size_t size,
                            [[maybe_unused]] size_t bytes) const {
#if defined(__SANITIZE_ADDRESS__)
  if (addressable_) {
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    ASAN_POISON_MEMORY_REGION(static_cast<char*>(block) + bytes, size - bytes);
  }
#endif
}

MemoryPool::MemoryPool(Allocate allocate, Release release, std::string where, Free free,
                       bool addressable)
    : allocate_(std::move(allocate)), release_(std::move(release)), where_(std::move(where)),
      system_free_(std::move(free)), addressable_(addressable) {}

MemoryPool::~MemoryPool() { trim(); }

size_t MemoryPool::size_class(size_t bytes) {
  if (bytes <= 4096) {
    return std::max<size_t>(64, (bytes + 63) / 64 * 64);
  }
  const size_t step = std::bit_floor(bytes - 1) / 8;  // eight classes per power of two
  return (bytes + step - 1) / step * step;
}

void* MemoryPool::allocate(size_t bytes) {
  const size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  void* block = nullptr;
  if (auto found = free_.find(size); found != free_.end() && !found->second.empty()) {
    block = found->second.back();
    found->second.pop_back();
    stats_.cached -= size;
  } else {
    const auto fits = [&] { return limit_ == 0 || stats_.in_use + stats_.cached + size <= limit_; };
    block = fits() ? allocate_(size) : nullptr;
    if (block == nullptr) {
      const size_t cached = stats_.cached;
      trim();
      block = fits() ? allocate_(size) : nullptr;
      require<OutOfMemory>(block != nullptr,
                           "out of memory on {}: {} bytes requested, {} in use (peak {}), {} were "
                           "cached{}; try a smaller train.batch_size or data.image_size",
                           where_, bytes, stats_.in_use, stats_.peak, cached,
                           system_free_ ? fmt::format(", {} free", system_free_()) : "");
    }
  }
  if (watching_) {
    watched_.insert_or_assign(block, size);
  }
  stats_.in_use += size;
  stats_.peak = std::max(stats_.peak, stats_.in_use);
  allow_only(block, size, bytes);
  return block;
}

void MemoryPool::free(void* block, size_t bytes) noexcept {
  const size_t size = size_class(bytes);
  const std::lock_guard lock(mutex_);
  stats_.in_use -= size;
  allow_only(block, size, 0);
  if (watching_) {
    watched_.insert_or_assign(block, size);
  }
  keep_or_release(block, size);
}

void MemoryPool::watch() {
  const std::lock_guard lock(mutex_);
  watching_ = true;
  watched_.clear();
}

void MemoryPool::stop_watching() {
  const std::lock_guard lock(mutex_);
  watching_ = false;
  watched_.clear();
}

std::vector<MemoryPool::Block> MemoryPool::take_watched() {
  const std::lock_guard lock(mutex_);
  watching_ = false;
  std::vector<Block> taken;
  size_t kept = 0;
  for (const auto& [block, size] : watched_) {
    std::vector<void*>& free = free_[size];
    if (const auto found = std::find(free.begin(), free.end(), block); found != free.end()) {
      free.erase(found);
      stats_.cached -= size;
      stats_.in_use += size;
      allow_only(block, size, size);
      taken.push_back({block, size});
    } else {
      ++kept;
    }
  }
  watched_.clear();
  stats_.peak = std::max(stats_.peak, stats_.in_use);
  if (kept > 0) {
    give_back(taken);
    fail("memory pool: {} of the blocks allocated since watch() are still in use", kept);
  }
  return taken;
}

void MemoryPool::give_back(const std::vector<Block>& blocks) noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& [block, size] : blocks) {
    stats_.in_use -= size;
    allow_only(block, size, 0);
    keep_or_release(block, size);
  }
}

void MemoryPool::keep_or_release(void* block, size_t size) noexcept {
  try {
    free_[size].push_back(block);
    stats_.cached += size;
  } catch (const std::bad_alloc&) {
    release_(block, size);
  }
}

void MemoryPool::trim() {
  const std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    std::erase_if(blocks, [&, size = size](void* block) {  // clang 14 captures no such name itself
      if (watched_.contains(block)) {
        return false;  // captured work will use it
      }
      release_(block, size);
      stats_.cached -= size;
      return true;
    });
  }
}

void MemoryPool::set_limit(size_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}

MemoryStats MemoryPool::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

size_t MemoryPool::free_bytes() const {
  const size_t system = system_free_ ? system_free_() : std::numeric_limits<size_t>::max() / 2;
  const std::lock_guard lock(mutex_);
  const size_t free = system + stats_.cached;
  return limit_ == 0 ? free : std::min(free, limit_ - std::min(limit_, stats_.in_use));
}

void MemoryPool::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.in_use;
}

MemoryPool& memory_pool(Device device) {
  // The CPU's is not taken from the table, which tests replace.
  return device.is_cpu() ? cpu::memory() : backend(device).memory_pool(device.index);
}

}  // namespace mld
