// Many tensors in one launch: optimisers and norms walk over all parameters at once, cut into
// chunks, so that a hundred small tensors do not cost a hundred launches.
//
// The table of tensors travels in the kernel's parameters: nothing is uploaded, so there is nothing
// to wait for, and a captured graph holds it. More tensors than fit take another launch.
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
    int low = 0, high = many.count - 1;  // the last tensor that begins at or before it
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

// Whether 16 bytes at a time can be read from all of these.
template <class... T>
__device__ inline bool all_aligned(const T*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

// Calls body.template operator()<V>(i) for the elements i .. i + V of a block's share, spread over
// its threads: V = 4 if the pointers are aligned (a chunk begins at a multiple of four), and 1 for
// the last few.
template <class Body>
__device__ inline void for_chunk(const Chunk& chunk, bool aligned, const Body& body) {
  constexpr int V = 4;
  const int64_t whole = aligned ? (chunk.end - chunk.begin) / V * V : 0;
  for (int64_t i = int64_t{V} * threadIdx.x; i < whole; i += V * kManyThreads) {
    body.template operator()<V>(chunk.begin + i);
  }
  for (int64_t i = chunk.begin + whole + threadIdx.x; i < chunk.end; i += kManyThreads) {
    body.template operator()<1>(i);
  }
}

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
