// Many tensors in one launch: optimisers and norms walk over all parameters at once, cut into chunks,
// so that a hundred small tensors do not cost a hundred launches.
//
// The table of tensors travels in the kernel's parameters: nothing is uploaded, so there is nothing to
// wait for, and a captured graph holds it. More tensors than fit take another launch.
#pragma once

#include <vector>

#include "cuda/reduce.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kManyThreads = 256, kMostTensors = 256;
inline constexpr int64_t kChunk = 16384;  // elements a block takes

// Slot: what a kernel needs of one tensor (pointers, a factor); plain data.
template <class Slot>
struct Many {
  Slot slot[kMostTensors];
  int64_t size[kMostTensors];             // elements
  int first_chunk[kMostTensors + 1];      // of each tensor, among the launch's blocks
  int count;                              // tensors
};

// A block's share.
struct Chunk {
  int tensor;          // index into the launch's table
  int64_t begin, end;  // elements of it

  template <class Slot>
  __device__ explicit Chunk(const Many<Slot>& many) {
    const int block = static_cast<int>(blockIdx.x);
    int low = 0, high = many.count - 1;  // the last tensor whose first chunk is not beyond
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (many.first_chunk[middle] <= block) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    tensor = low;
    begin = (block - many.first_chunk[low]) * kChunk;
    end = min(many.size[low], begin + kChunk);
  }
};

// Calls run(table, blocks, first) for the tensors in groups of kMostTensors; `first` is the group's
// first tensor. Tensors without elements are left out.
//   slot_of(i) -> Slot, size_of_tensor(i) -> elements
template <class Slot, class SlotOf, class SizeOf, class Run>
void for_many(size_t tensors, const SlotOf& slot_of, const SizeOf& size_of_tensor, const Run& run) {
  Many<Slot> many{};
  int blocks = 0;
  size_t first = 0;
  const auto flush = [&](size_t next) {
    many.first_chunk[many.count] = blocks;
    if (blocks > 0) {
      run(many, static_cast<unsigned>(blocks), first);
    }
    many.count = 0;
    blocks = 0;
    first = next;
  };
  for (size_t i = 0; i < tensors; ++i) {
    if (many.count == kMostTensors) {
      flush(i);
    }
    many.slot[many.count] = slot_of(i);
    many.size[many.count] = size_of_tensor(i);
    many.first_chunk[many.count++] = blocks;
    blocks += static_cast<int>(ceil_div(size_of_tensor(i), kChunk));
  }
  flush(tensors);
}

}  // namespace mld::cuda
