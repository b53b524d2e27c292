#include "cuda/depthwise.cuh"

#include "cuda/batch_norm.cuh"
#include "cuda/depthwise_tiles.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = kDepthwiseThreads;

// The convolution's input pixels in terms of the gradient of its output. E is (left - (K - 1))
// modulo S.
template <int K, int S, int E>
struct Backward {
  static constexpr int kPixels = (K - 1 + E + kOutputs - 1) / S + 1;
  int top, left;

  __device__ static constexpr int column(int j, int t) { return K - 1 + E + t - j * S; }
  __device__ int row(int in, int kh) const {
    const int reach = in + top - kh;
    return reach >= 0 && reach % S == 0 ? reach / S : -1;
  }
  __device__ int first(int in) const { return (in + left - (K - 1) - E) / S; }  // exact
};

// What one thread computes: kOutputs columns from `column` on of a row, V channels from c on.
struct Place {
  int64_t n, c;
  int row, column;

  __device__ Place(const Tiling& t, int V) {
    int64_t block = blockIdx.x;
    c = (block % t.channel_tiles * t.lanes + threadIdx.x % t.lanes) * V;
    block /= t.channel_tiles;
    column = static_cast<int>(block % t.column_tiles) * kOutputs;
    block /= t.column_tiles;
    row = static_cast<int>(block % t.row_tiles) * (kThreads / t.lanes) + threadIdx.x / t.lanes;
    n = block / t.row_tiles;
  }
};

template <int V>
__device__ inline void load_floats(const float* x, float (&v)[V]) {
#pragma unroll
  for (int i = 0; i < V; i += 4) {
    float part[4];
    load<4>(x + i, part);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      v[i + k] = part[k];
    }
  }
}

// w as [K, K, C], float32: a thread's channels beside each other.   w [C, K, K]
template <class T>
__global__ void __launch_bounds__(kThreads)
    channels_last_kernel(const T* w, int64_t C, int KK, float* out) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (i < C * KK) {
    out[i] = load_one(w + i % C * KK + i / C);
  }
}

template <class T>
Tensor channels_last(const Tensor& w) {
  const int64_t C = w.shape()[0], KK = w.numel() / C;
  Tensor out({KK, C}, DType::f32, w.device());
  launch(channels_last_kernel<T>, static_cast<unsigned>(ceil_div(w.numel(), kThreads)), kThreads,
         0, w.data<T>(), C, static_cast<int>(KK), out.data<float>());
  return out;
}

// out = act(sum over the kernel of in * w [+ bias] [+ residual]).
//   in [N, in_rows, in_columns, C]; w [K, K, C]; bias [C]; residual, out as in; may be null
template <class T, int V, int K, class Map>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const T* in, const float* w, const float* bias, const T* residual, Lines act,
                  Map map, Tiling s, T* out) {
  const Place at(s, V);
  if (at.c >= s.C || at.row >= s.out_rows) {
    return;
  }
  float sums[kOutputs][V] = {};
  const int first = map.first(at.column);
  for (int kh = 0; kh < K; ++kh) {
    const int row = map.row(at.row, kh);
    if (row < 0 || row >= s.in_rows) {
      continue;
    }
    float weights[K][V];
#pragma unroll
    for (int kw = 0; kw < K; ++kw) {
      load_floats<V>(w + (kh * K + kw) * s.C + at.c, weights[kw]);
    }
    const T* pixels = in + (at.n * s.in_rows + row) * s.in_columns * s.C + at.c;
#pragma unroll
    for (int j = 0; j < Map::kPixels; ++j) {
      const int column = first + j;
      if (column >= 0 && column < s.in_columns) {
        float v[V];
        load<V>(pixels + column * s.C, v);
#pragma unroll
        for (int t = 0; t < kOutputs; ++t) {
          if (Map::column(j, t) >= 0 && Map::column(j, t) < K) {
#pragma unroll
            for (int i = 0; i < V; ++i) {
              sums[t][i] += v[i] * weights[Map::column(j, t)][i];
            }
          }
        }
      }
    }
  }
  const int64_t to = ((at.n * s.out_rows + at.row) * s.out_columns + at.column) * s.C + at.c;
#pragma unroll
  for (int t = 0; t < kOutputs; ++t) {
    if (at.column + t < s.out_columns) {
      float added[V] = {};
      if (residual != nullptr) {
        load<V>(residual + to + t * s.C, added);
      }
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const float offset = bias != nullptr ? bias[at.c + i] : 0.0f;
        sums[t][i] = act.value(sums[t][i] + offset + added[i]);
      }
      store<V>(sums[t], out + to + t * s.C);
    }
  }
}

template <class T, int K, class Map>
void gather(const Tensor& in, const Tensor& w, const Tensor& bias, const Tensor& residual,
            const ActivationSpec& act, const Map& map, Tensor& out) {
  constexpr int V = kVector<T>;
  const Tiling tiling(in.shape(), out.shape(), V);
  const Tensor weights = channels_last<T>(w);
  launch(gather_kernel<T, V, K, Map>, tiling.blocks(out.shape()[0]), kThreads, 0, in.data<T>(),
         weights.data<float>(), bias.defined() ? bias.data<float>() : nullptr,
         residual.defined() ? residual.data<T>() : nullptr, Lines(act), map, tiling,
         out.data<T>());
}

}  // namespace

void depthwise_forward(const Tensor& x, const Tensor& w, const Tensor& bias,
                       const Tensor& residual, const Conv2dSpec& spec, Tensor& y) {
  const Padding pad(x.shape(), w.shape(), spec);
  dispatch(x.dtype(), [&]<class T>() {
    with_window(w.shape(), spec, [&]<int K, int S>() {
      gather<T, K>(x, w, bias, residual, spec.act, Forward<K, S>{pad.top, pad.left}, y);
    });
  });
}

void depthwise_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                             Tensor& dx) {
  const Padding pad(dx.shape(), w.shape(), spec);
  dispatch(dy.dtype(), [&]<class T>() {
    with_window(w.shape(), spec, [&]<int K, int S>() {
      if (S == 1 || pad.left % S == (K - 1) % S) {
        gather<T, K>(dy, w, {}, {}, {}, Backward<K, S, 0>{pad.top, pad.left}, dx);
      } else {
        gather<T, K>(dy, w, {}, {}, {}, Backward<K, S, S - 1>{pad.top, pad.left}, dx);
      }
    });
  });
}

}  // namespace mld::cuda
