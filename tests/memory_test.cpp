// The memory pool: what it reuses, releases and refuses; what a tensor returns to it.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>
#include <vector>

#include "core/kernels.h"
#include "core/memory.h"

namespace mld {

// Checks that the expression throws this Type with exactly this message.
#define CHECK_FAILS(Type, expression, message) \
  CHECK_THROWS_WITH_AS((void)(expression), message, Type)

TEST_CASE("memory pool: what was handed out while it watched is kept apart, even from a trim") {
  int held = 0;  // blocks the pool has from the system
  MemoryPool pool(
      [&](size_t bytes) {
        ++held;
        return std::aligned_alloc(64, bytes);
      },
      [&](void* block, size_t) {
        --held;
        std::free(block);
      },
      "the test");
  pool.free(pool.allocate(64), 64);
  pool.watch();
  void* first = pool.allocate(64);  // the cached one
  pool.free(first, 64);
  pool.free(pool.allocate(1024), 1024);
  pool.set_limit(64 + 1024 + 64);
  CHECK_THROWS_AS(pool.allocate(4096), OutOfMemory);  // there is nothing to trim
  CHECK(held == 2);
  pool.set_limit(0);
  pool.reset_peak();
  const std::vector<MemoryPool::Block> taken = pool.take_watched();
  CHECK(taken.size() == 2);
  CHECK(pool.stats().in_use == 64 + 1024);
  CHECK(pool.stats().peak == 64 + 1024);
  CHECK(pool.stats().cached == 0);
  void* other = pool.allocate(64);
  CHECK(other != first);
  pool.trim();
  CHECK(held == 3);
  pool.give_back(taken);
  CHECK(pool.stats().cached == 64 + 1024);
  pool.watch();
  void* kept = pool.allocate(64);
  CHECK(kept == first);
  pool.free(pool.allocate(1024), 1024);
  CHECK_FAILS(Error, pool.take_watched(),
              "memory pool: 1 of the blocks allocated since watch() are still in use");
  CHECK(pool.stats().cached == 1024);  // the other one can be reused again
  pool.free(kept, 64);
  pool.free(other, 64);
  pool.trim();
  CHECK(held == 0);
}

TEST_CASE("tensor: memory returns to the pool when the last holder lets go") {
  MemoryPool& pool = memory_pool(Device{});
  const size_t before = pool.stats().in_use;
  Tensor x({1000}), view = x.rows(10, 20);
  CHECK(pool.stats().in_use == before + MemoryPool::size_class(4000));
  x = Tensor();
  CHECK(pool.stats().in_use == before + MemoryPool::size_class(4000));
  view = Tensor();
  CHECK(pool.stats().in_use == before);
}

TEST_CASE("memory: size classes hold the request and waste at most an eighth") {
  CHECK(MemoryPool::size_class(0) == 64);
  CHECK(MemoryPool::size_class(64) == 64);
  CHECK(MemoryPool::size_class(65) == 128);
  CHECK(MemoryPool::size_class(4096) == 4096);
  CHECK(MemoryPool::size_class(4097) == 4608);
  CHECK(MemoryPool::size_class(1 << 20) == 1 << 20);
  std::set<size_t> classes;
  for (size_t bytes = 4097; bytes < (1 << 20); bytes += 97) {
    const size_t size = MemoryPool::size_class(bytes);
    REQUIRE(size >= bytes);
    REQUIRE(size % 64 == 0);
    REQUIRE(size <= bytes + bytes / 8);
    REQUIRE(MemoryPool::size_class(size) == size);
    classes.insert(size);
  }
  CHECK(classes.size() == 8 * 8);  // eight powers of two, eight classes each
}

namespace {

// A pool over malloc that counts its calls and fails when told to.
struct CountingPool {
  int allocated = 0, released = 0, refuse = 0;  // the next `refuse` allocations fail
  MemoryPool pool{[this](size_t bytes) -> void* {
                    if (refuse > 0) {
                      --refuse;
                      return nullptr;
                    }
                    ++allocated;
                    return std::aligned_alloc(64, bytes);
                  },
                  [this](void* block, size_t) {
                    ++released;
                    std::free(block);
                  },
                  "the test"};
};

}  // namespace

TEST_CASE("memory: a freed block of the same class is handed out again") {
  CountingPool counting;
  MemoryPool& pool = counting.pool;
  void* a = pool.allocate(5000);
  pool.free(a, 5000);
  CHECK(pool.stats().cached == 5120);
  CHECK(pool.allocate(5100) == a);
  CHECK(pool.stats().cached == 0);
  CHECK(counting.allocated == 1);
  void* b = pool.allocate(200);
  CHECK(counting.allocated == 2);
  CHECK(pool.stats().in_use == 5120 + 256);
  pool.free(a, 5100);
  pool.free(b, 200);
  CHECK(pool.stats().in_use == 0);
  CHECK(pool.stats().peak == 5120 + 256);
  pool.reset_peak();
  CHECK(pool.stats().peak == 0);
  pool.trim();
  CHECK(pool.stats().cached == 0);
  CHECK(counting.released == 2);
}

TEST_CASE("memory: a refusal releases the cache and is tried once more") {
  CountingPool counting;
  MemoryPool& pool = counting.pool;
  pool.free(pool.allocate(1000), 1000);
  counting.refuse = 1;
  void* block = pool.allocate(2000);
  CHECK(counting.released == 1);  // the cached kilobyte went back to make room
  CHECK(pool.stats().cached == 0);
  counting.refuse = 2;
  CHECK_FAILS(OutOfMemory, pool.allocate(3000),
              "out of memory on the test: 3000 bytes requested, 2048 in use (peak 2048), 0 "
              "were cached; try a smaller train.batch_size or data.image_size");
  CHECK(pool.stats().in_use == 2048);
  pool.free(block, 2000);
}

TEST_CASE("memory: the limit counts what is held, and frees the cache before it fails") {
  CountingPool counting;
  MemoryPool& pool = counting.pool;
  pool.set_limit(4096);
  void* a = pool.allocate(2048);
  pool.free(pool.allocate(1024), 1024);
  void* b = pool.allocate(2048);  // fits only without the cached kilobyte
  CHECK(counting.released == 1);
  CHECK(pool.stats().in_use == 4096);
  try {
    pool.allocate(1);
    FAIL("the limit must refuse");
  } catch (const OutOfMemory& error) {
    CHECK(error.code() == ExitCode::memory);
    CHECK(std::string(error.what()).starts_with("out of memory on the test: 1 bytes requested"));
  }
  pool.free(a, 2048);
  pool.set_limit(0);
  void* c = pool.allocate(1 << 20);
  pool.free(b, 2048);
  pool.free(c, 1 << 20);
}

TEST_CASE("memory: a tensor that does not fit says so; the program goes on") {
  MemoryPool& pool = memory_pool(Device{});
  pool.trim();
  pool.set_limit(pool.stats().in_use + (1 << 20));
  CHECK_THROWS_AS(Tensor({int64_t{1} << 20}), OutOfMemory);
  const Tensor small = Tensor::full({1000}, 3);
  CHECK(small.to_vector().back() == 3);
  pool.set_limit(0);
  CHECK(Tensor::zeros({int64_t{1} << 20}).numel() == 1 << 20);
}


}  // namespace mld
