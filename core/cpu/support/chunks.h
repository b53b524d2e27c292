// Many tensors as one range: optimisers walk all parameters at once, cut into chunks, so that a
// hundred small tensors do not cost a hundred barriers, and sums have a fixed order.
#pragma once

#include <vector>

#include "core/cpu/support/values.h"
#include "core/tensor.h"

namespace mld::cpu {

struct Chunk {
  size_t tensor;       // which
  int64_t begin, end;  // elements of it
};

inline constexpr int64_t kChunk = 16384;

// Cuts tensors of these sizes into chunks of at most kChunk elements, in order.
//   size(i) is the number of elements of tensor i.
template <class Size>
std::vector<Chunk> cut(size_t tensors, Size&& size) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < tensors; ++i) {
    for (int64_t begin = 0, n = size(i); begin < n; begin += kChunk) {
      chunks.push_back({i, begin, std::min(n, begin + kChunk)});
    }
  }
  return chunks;
}

// Calls body(chunk) for each, in parallel.
template <class Body>
void for_each_chunk(const std::vector<Chunk>& chunks, Body&& body) {
  int64_t elements = 0;
  for (const Chunk& chunk : chunks) {
    elements += chunk.end - chunk.begin;
  }
  const int64_t n = static_cast<int64_t>(chunks.size());
  parallel_for(n, elements <= kChunk ? n : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      body(chunks[static_cast<size_t>(i)]);
    }
  });
}

}  // namespace mld::cpu
