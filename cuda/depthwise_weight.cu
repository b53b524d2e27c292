// The weight's gradient of a depthwise convolution.
#include "cuda/depthwise.cuh"
#include "cuda/depthwise_tiles.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = kDepthwiseThreads;
constexpr int kMostThreads = 256, kColumns = 4;  // columns of dy that a thread holds

// A block's threads: `lanes` along the channels, times the kernel's rows, times groups of rows of
// dy.   partial [splits, K, K, C]
struct WeightGrid {
  int lanes, groups;
  unsigned tiles, splits;

  WeightGrid(int64_t rows, int64_t C, int V, int K)
      : lanes(ChannelGrid(1, C, V, 1).across), groups(std::max(1, kMostThreads / (lanes * K))),
        tiles(static_cast<unsigned>(ceil_div(C, lanes * V))) {
    constexpr int64_t kBlocksEach = 4, kMostSplits = 256, kRowsEach = 4;
    const int64_t wanted = ceil_div(kBlocksEach * multiprocessors(), tiles);
    splits = static_cast<unsigned>(std::max<int64_t>(
        1, std::min({wanted, kMostSplits, ceil_div(rows, kRowsEach * groups)})));
  }
};

// Block (tile, split) takes its channels of its rows of dy; thread (lane, kh, group) the kernel's
// row kh of every groups-th of them. Then the groups are added in order.
//   dy [N, OH, OW, C], x [N, H, W, C]; s: from x to dy
template <class T, int V, int K, int S>
__global__ void __launch_bounds__(kMostThreads)
    weight_kernel(const T* dy, const T* x, Forward<K, S> map, Tiling s, int64_t rows, int groups,
                  float* partial) {
  DYN_SHARED(float, shared);  // [groups, K, K, V, lanes]
  const int lane = threadIdx.x % s.lanes, kh = threadIdx.x / s.lanes % K;
  const int group = threadIdx.x / s.lanes / K;
  const int64_t c = (blockIdx.x * int64_t{s.lanes} + lane) * V;
  const int64_t split = blockIdx.y, splits = gridDim.y, end = rows * (split + 1) / splits;
  float sums[K][V] = {};
  for (int64_t m = rows * split / splits + group; m < end && c < s.C; m += groups) {
    const int64_t n = m / s.out_rows;
    const int row = map.row(static_cast<int>(m % s.out_rows), kh);
    if (row < 0 || row >= s.in_rows) {
      continue;
    }
    const T* pixels = x + (n * s.in_rows + row) * s.in_columns * s.C + c;
    const T* gradients = dy + m * s.out_columns * s.C + c;
    for (int ow = 0; ow < s.out_columns; ow += kColumns) {
      float g[kColumns][V] = {};
#pragma unroll
      for (int t = 0; t < kColumns; ++t) {
        if (ow + t < s.out_columns) {
          load<V>(gradients + (ow + t) * s.C, g[t]);
        }
      }
#pragma unroll
      for (int j = 0; j < (kColumns - 1) * S + K; ++j) {
        const int column = map.first(ow) + j;
        if (column >= 0 && column < s.in_columns) {
          float v[V];
          load<V>(pixels + column * s.C, v);
#pragma unroll
          for (int t = 0; t < kColumns; ++t) {
            if (map.column(j, t) >= 0 && map.column(j, t) < K) {
#pragma unroll
              for (int i = 0; i < V; ++i) {
                sums[map.column(j, t)][i] += v[i] * g[t][i];
              }
            }
          }
        }
      }
    }
  }
  const int width = K * K * V * s.lanes;
#pragma unroll
  for (int kw = 0; kw < K; ++kw) {
#pragma unroll
    for (int i = 0; i < V; ++i) {
      shared[group * width + ((kh * K + kw) * V + i) * s.lanes + lane] = sums[kw][i];
    }
  }
  __syncthreads();
  for (int j = threadIdx.x; j < width; j += blockDim.x) {
    float total = 0;
    for (int g = 0; g < groups; ++g) {
      total += shared[g * width + j];
    }
    const int64_t at = (blockIdx.x * int64_t{s.lanes} + j % s.lanes) * V + j / s.lanes % V;
    if (at < s.C) {
      partial[(split * K * K + j / s.lanes / V) * s.C + at] = total;
    }
  }
}

// Adds the splits in order, one thread per weight.   partial [splits, KK, C], dw [C, KK]
template <class T>
__global__ void __launch_bounds__(kThreads)
    weight_total_kernel(const float* partial, int splits, int64_t C, int KK, T* dw) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x, count = C * KK;
  if (i < count) {
    float total = 0;
    for (int split = 0; split < splits; ++split) {
      total += partial[split * count + i];
    }
    store_one(total, dw + i % C * KK + i / C);
  }
}

template <class T, int K, int S>
void weight_gradient(const Tensor& dy, const Tensor& x, const Forward<K, S>& map, Tensor& dw) {
  constexpr int V = kVector<T>;
  const Tiling tiling(x.shape(), dy.shape(), V);
  const int64_t rows = dy.shape()[0] * dy.shape()[1], C = tiling.C;
  const WeightGrid grid(rows, C, V, K);
  const Tensor partial({grid.splits, K * K, C}, DType::f32, dw.device());
  const int threads = grid.lanes * K * grid.groups;
  launch(weight_kernel<T, V, K, S>, dim3(grid.tiles, grid.splits), threads,
         sizeof(float) * K * V * static_cast<size_t>(threads), dy.data<T>(), x.data<T>(), map,
         tiling, rows, grid.groups, partial.data<float>());
  launch(weight_total_kernel<T>, static_cast<unsigned>(ceil_div(dw.numel(), kThreads)), kThreads,
         0, partial.data<float>(), static_cast<int>(grid.splits), C, K * K, dw.data<T>());
}

}  // namespace

void depthwise_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                               Tensor& dw) {
  const Padding pad(x.shape(), dw.shape(), spec);
  dispatch(dy.dtype(), [&]<class T>() {
    with_window(dw.shape(), spec, [&]<int K, int S>() {
      weight_gradient<T>(dy, x, Forward<K, S>{pad.top, pad.left}, dw);
    });
  });
}

}  // namespace mld::cuda
