#include "cuda/epilogue.cuh"

#include "cuda/batch_norm.cuh"

namespace mld::cuda {
namespace {

// y = act(x + bias + residual); x may be y; bias, residual may be null.   x, residual, y [M, C]
template <class X, class T, int V>
__global__ void __launch_bounds__(kChannelThreads)
    epilogue_kernel(const X* x, const float* bias, const T* residual, Lines act, int64_t M,
                    int64_t C, int across, T* y) {
  const ChannelPlace at(M, across, V);
  if (at.c >= C) {
    return;
  }
  float offset[V];
#pragma unroll
  for (int i = 0; i < V; ++i) {
    offset[i] = bias != nullptr ? bias[at.c + i] : 0.0f;
  }
  for (int64_t m = at.begin; m < at.end; m += at.step) {
    float v[V], r[V] = {};
    load<V>(x + m * C + at.c, v);
    if (residual != nullptr) {
      load<V>(residual + m * C + at.c, r);
    }
#pragma unroll
    for (int i = 0; i < V; ++i) {
      v[i] = act.value(v[i] + offset[i] + r[i]);
    }
    store<V>(v, y + m * C + at.c);
  }
}

template <class X, class T>
void apply(const X* x, const Tensor& bias, const T* residual, const ActivationSpec& act,
           Tensor& y) {
  const int64_t C = y.shape()[-1], M = y.numel() / C;
  using Widest = std::conditional_t<sizeof(X) >= sizeof(T), X, T>;
  with_width<Widest>(C, {x, y.raw(), residual}, [&]<int V>() {
    const ChannelGrid grid = apply_grid(M, C, V);
    launch(epilogue_kernel<X, T, V>, dim3(grid.tiles, grid.splits), kChannelThreads, 0, x,
           bias.defined() ? bias.data<float>() : nullptr, residual, Lines(act), M, C,
           grid.across, y.data<T>());
  });
}

}  // namespace

void epilogue(const Tensor& bias, const Tensor& residual, const ActivationSpec& act, Tensor& y) {
  dispatch(y.dtype(), [&]<class T>() {
    apply<T, T>(y.data<T>(), bias, residual.defined() ? residual.data<T>() : nullptr, act, y);
  });
}

void finish(const Tensor& sums, const Tensor& bias, const ActivationSpec& act, Tensor& y) {
  apply<float, bf16>(sums.data<float>(), bias, nullptr, act, y);
}

}  // namespace mld::cuda
