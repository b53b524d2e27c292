// Kernels over [M, C] matrices by channel: a thread keeps its channels and walks over the rows, so
// per-channel values are read once. Also sums over the rows, in two launches and a fixed order.
#pragma once

#include <array>

#include "cuda/values.cuh"

namespace mld::cuda {

inline constexpr int kChannelThreads = 256;

// How a block's threads and the grid share an [M, C] matrix with V channels per thread.
struct ChannelGrid {
  int across;      // threads along the channels: a power of two, at most 32
  unsigned tiles;  // blocks along the channels
  unsigned splits;  // blocks along the rows

  ChannelGrid(int64_t M, int64_t C, int V, int64_t most_splits) {
    const int64_t packs = ceil_div(C, V);
    for (across = 1; across < 32 && across < packs;) {
      across *= 2;
    }
    tiles = static_cast<unsigned>(ceil_div(packs, across));
    constexpr int kBlocksEach = 4;
    const int64_t wanted = ceil_div(int64_t{kBlocksEach} * multiprocessors(), tiles);
    const int64_t rows = kChannelThreads / across;
    splits = static_cast<unsigned>(
        std::max<int64_t>(1, std::min({wanted, most_splits, ceil_div(M, 4 * rows)})));
  }
};

// A thread's place: its first channel, its block's first row, the rows it visits.
struct ChannelPlace {
  int64_t c, first, begin, end, step;

  __device__ ChannelPlace(int64_t M, int across, int V) {
    const int64_t rows = kChannelThreads / across, split = blockIdx.y, splits = gridDim.y;
    c = (blockIdx.x * int64_t{across} + threadIdx.x % across) * V;
    first = M * split / splits;
    begin = first + threadIdx.x / across;
    end = M * (split + 1) / splits;
    step = rows;
  }
};

// The first launch. A block sums its rows of its channels: each thread its own, then thread row 0
// the block's, in the order of the rows.   partial [splits, kSums, C]
template <int V, class Terms>
__global__ void __launch_bounds__(kChannelThreads)
    partial_sums_kernel(Terms terms, int64_t M, int64_t C, int across, float* partial) {
  constexpr int kSums = Terms::kSums;
  DYN_SHARED(float, shared);  // [rows, kSums, V, across]
  const ChannelPlace at(M, across, V);
  float sums[kSums][V] = {};
  if (at.c < C) {
    const auto fixed = terms.template begin<V>(at.first, at.c);
    for (int64_t m = at.begin; m < at.end; m += at.step) {
      terms.template add<V>(fixed, m, at.c, sums);
    }
  }
  const int lane = threadIdx.x % across, row = threadIdx.x / across;
  const int rows = kChannelThreads / across, width = kSums * V * across;
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      shared[row * width + (s * V + i) * across + lane] = sums[s][i];
    }
  }
  __syncthreads();
  for (int j = threadIdx.x; j < width; j += kChannelThreads) {
    float total = 0;
    for (int r = 0; r < rows; ++r) {
      total += shared[r * width + j];
    }
    const int64_t c = (blockIdx.x * int64_t{across} + j % across) * V + j / across % V;
    if (c < C) {
      partial[(blockIdx.y * int64_t{kSums} + j / across / V) * C + c] = total;
    }
  }
}

// The first launch on its own, for callers that combine the parts differently.
//   -> [splits, kSums, C]; split k holds rows [M k / splits, M (k + 1) / splits)
template <class T, class Terms>
Tensor partial_sums(const Terms& terms, int64_t M, int64_t C,
                    std::initializer_list<const void*> pointers) {
  constexpr int kSums = Terms::kSums;
  constexpr int64_t kMostSplits = 1024;
  Tensor partial;
  with_width<T>(C, pointers, [&]<int V>() {
    const ChannelGrid grid(M, C, V, kMostSplits);
    partial = Tensor({grid.splits, kSums, C}, DType::f32, current_device());
    launch(partial_sums_kernel<V, Terms>, dim3(grid.tiles, grid.splits), kChannelThreads,
           sizeof(float) * kSums * V * kChannelThreads, terms, M, C, grid.across,
           partial.data<float>());
  });
  return partial;
}

template <int kSums>
struct SumOutputs {
  float* at[kSums];  // [C] each
};

// The second launch. A block takes 32 columns of one sum; thread row r adds splits r, r + 8, ...,
// then row 0 adds the eight.   partial [splits, kSums, C]
template <int kSums>
__global__ void __launch_bounds__(256)
    total_sums_kernel(const float* partial, int splits, int64_t C,
                      const __grid_constant__ SumOutputs<kSums> out) {
  SHARED(float[8][32], part);
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32;
  const int64_t c = blockIdx.x * int64_t{32} + lane, s = blockIdx.y;
  float sum = 0;
  if (c < C) {
    for (int split = row; split < splits; split += 8) {
      sum += partial[(split * int64_t{kSums} + s) * C + c];
    }
  }
  part[row][lane] = sum;
  __syncthreads();
  if (row == 0 && c < C) {
    float total = 0;
#pragma unroll
    for (int r = 0; r < 8; ++r) {
      total += part[r][lane];
    }
    out.at[s][c] = total;
  }
}

// For sums that keep nothing per channel.
struct Nothing {};

// outputs[s][c] = the sum over the rows m of what terms.add() adds to sums[s][..].
//   terms.begin<V>(first, c) -> what a thread keeps for channels [c, c + V), read once; `first`
//     is its block's first row
//   terms.add<V>(kept, m, c, float (&sums)[kSums][V]) adds row m's channels [c, c + V)
//   pointers: what terms reads, to tell whether 16-byte accesses are possible
template <class T, class Terms>
void channel_sums(const Terms& terms, int64_t M, int64_t C,
                  std::initializer_list<const void*> pointers,
                  const std::array<float*, Terms::kSums>& outputs) {
  constexpr int kSums = Terms::kSums;
  const Tensor partial = partial_sums<T>(terms, M, C, pointers);
  SumOutputs<kSums> out;
  std::copy(outputs.begin(), outputs.end(), out.at);
  launch(total_sums_kernel<kSums>, dim3(static_cast<unsigned>(ceil_div(C, 32)), kSums), 256, 0,
         partial.data<float>(), static_cast<int>(partial.shape()[0]), C, out);
}

}  // namespace mld::cuda
