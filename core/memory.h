// The memory pool: freed blocks are kept by size class and handed out again.
//
// A training step asks for the same sizes every time, so after the first step the pool answers
// without asking the system. When the system refuses, cached blocks are released and the request
// is tried once more; then OutOfMemory reports requested / in use / cached / peak / free bytes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "core/device.h"

namespace mld {

struct MemoryStats {
  size_t in_use = 0;  // bytes handed out now, rounded up to their size class
  size_t cached = 0;  // bytes kept for reuse
  size_t peak = 0;    // largest in_use seen
};

// Thread-safe. One per device; host and device memory differ only in the two functions given.
class MemoryPool {
 public:
  using Allocate = std::function<void*(size_t bytes)>;  // nullptr when there is no more
  using Release = std::function<void(void*, size_t bytes)>;
  using Free = std::function<size_t()>;  // bytes the system could still give

  // `addressable`: the host may touch the blocks, so AddressSanitizer checks the accesses.
  MemoryPool(Allocate allocate, Release release, std::string where, Free free = {},
             bool addressable = true);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // A block of at least `bytes`, aligned to 64; contents undefined. Errors: OutOfMemory.
  void* allocate(size_t bytes);
  // `bytes` as given to allocate().
  void free(void* block, size_t bytes) noexcept;
  // Gives every cached block back to the system.
  void trim();

  // Between watch() and take_watched() the pool records the blocks that it hands out and gets
  // back. They are then out of circulation: neither trimmed nor, before give_back(), handed out.
  // This is how captured work (core/step_queue.h) keeps the memory it writes to.
  // Errors: Error if a block is still in use (nothing is taken then).
  struct Block {
    void* start;
    size_t size;  // bytes, a size class
  };
  void watch();
  std::vector<Block> take_watched();
  void stop_watching();  // all of them stay in circulation
  void give_back(const std::vector<Block>& blocks) noexcept;

  // Refuses to hold more than this many bytes (0 = no limit): how tests provoke OutOfMemory.
  void set_limit(size_t bytes);

  MemoryStats stats() const;
  void reset_peak();
  // What could still be handed out: free in the system or cached, within the limit.
  size_t free_bytes() const;

  // Bytes a request occupies: multiples of 64 up to 4 KiB, then eight classes per power of two.
  static size_t size_class(size_t bytes);

 private:
  void keep_or_release(void* block, size_t size) noexcept;
  void allow_only(void* block, size_t size, size_t bytes) const;

  Allocate allocate_;
  Release release_;
  std::string where_;
  Free system_free_;
  bool addressable_;
  mutable std::recursive_mutex mutex_;  // allocate() may trim(), take_watched() gives back
  std::map<size_t, std::vector<void*>> free_;  // by size class
  MemoryStats stats_;
  size_t limit_ = 0;
  bool watching_ = false;
  std::map<void*, size_t> watched_;  // block -> size class
};

// The pool of a device.
MemoryPool& memory_pool(Device device);

namespace cpu {
MemoryPool& memory();
}

// What the host can still give to this process: the machine's available memory, within the limits
// of the process's control groups (version 1 and 2). `root`: read instead of /, for tests.
size_t host_free_bytes(const std::filesystem::path& root = "/");

}  // namespace mld
