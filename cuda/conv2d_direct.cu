#include "cuda/conv2d_direct.cuh"

#include "cuda/reduce.cuh"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 128;

struct Sizes {
  int N, H, W, C, O, KH, KW, OH, OW;
  int stride, top, left, dilation;  // top, left: padding
  int in_group, out_group;          // channels of a group, in and out

  Sizes(const Shape& x, const Shape& w, const Shape& y, const Conv2dSpec& spec)
      : N(static_cast<int>(x[0])), H(static_cast<int>(x[1])), W(static_cast<int>(x[2])),
        C(static_cast<int>(x[3])), O(static_cast<int>(w[0])), KH(static_cast<int>(w[1])),
        KW(static_cast<int>(w[2])), OH(static_cast<int>(y[1])), OW(static_cast<int>(y[2])),
        stride(spec.stride), top(static_cast<int>(spec.before(x[1], w[1]))),
        left(static_cast<int>(spec.before(x[2], w[2]))), dilation(spec.dilation),
        in_group(static_cast<int>(w[3])), out_group(static_cast<int>(w[0] / spec.groups)) {}

  __device__ int64_t x_at(int64_t n, int h, int v) const { return ((n * H + h) * W + v) * C; }
  __device__ int64_t y_at(int64_t n, int oh, int ow) const { return ((n * OH + oh) * OW + ow) * O; }
  __device__ int64_t w_at(int o, int kh, int kw) const {
    return ((int64_t{o} * KH + kh) * KW + kw) * in_group;
  }
};

// One thread per output, grid-stride.
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const T* x, const T* w, Sizes s, int64_t total, T* y) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < total; i += step) {
    const int o = static_cast<int>(i % s.O), ow = static_cast<int>(i / s.O % s.OW);
    const int oh = static_cast<int>(i / s.O / s.OW % s.OH);
    const int64_t n = i / s.O / s.OW / s.OH;
    const int first = o / s.out_group * s.in_group;
    float sum = 0;
    for (int kh = 0; kh < s.KH; ++kh) {
      const int h = oh * s.stride - s.top + kh * s.dilation;
      for (int kw = 0; kw < s.KW && h >= 0 && h < s.H; ++kw) {
        const int v = ow * s.stride - s.left + kw * s.dilation;
        for (int c = 0; c < s.in_group && v >= 0 && v < s.W; ++c) {
          sum += load_one(x + s.x_at(n, h, v) + first + c) * load_one(w + s.w_at(o, kh, kw) + c);
        }
      }
    }
    store_one(sum, y + i);
  }
}

// One thread per input, grid-stride: gathers from the outputs that saw it.
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_data_kernel(const T* dy, const T* w, Sizes s, int64_t total, T* dx) {
  const int64_t step = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < total; i += step) {
    const int c = static_cast<int>(i % s.C), v = static_cast<int>(i / s.C % s.W);
    const int h = static_cast<int>(i / s.C / s.W % s.H);
    const int64_t n = i / s.C / s.W / s.H;
    const int group = c / s.in_group, inner = c % s.in_group;
    float sum = 0;
    for (int kh = 0; kh < s.KH; ++kh) {
      const int up = h + s.top - kh * s.dilation, oh = up / s.stride;
      for (int kw = 0; kw < s.KW && up >= 0 && up % s.stride == 0 && oh < s.OH; ++kw) {
        const int back = v + s.left - kw * s.dilation, ow = back / s.stride;
        if (back < 0 || back % s.stride != 0 || ow >= s.OW) {
          continue;
        }
        for (int o = group * s.out_group; o < (group + 1) * s.out_group; ++o) {
          sum += load_one(dy + s.y_at(n, oh, ow) + o) * load_one(w + s.w_at(o, kh, kw) + inner);
        }
      }
    }
    store_one(sum, dx + i);
  }
}

// One block per weight: the sum over pictures and outputs.
template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_weight_kernel(const T* dy, const T* x, Sizes s, T* dw) {
  const int64_t i = blockIdx.x;
  const int inner = static_cast<int>(i % s.in_group), kw = static_cast<int>(i / s.in_group % s.KW);
  const int kh = static_cast<int>(i / s.in_group / s.KW % s.KH);
  const int o = static_cast<int>(i / s.in_group / s.KW / s.KH);
  const int c = o / s.out_group * s.in_group + inner;
  float sum = 0;
  for (int64_t p = threadIdx.x; p < int64_t{s.N} * s.OH * s.OW; p += kThreads) {
    const int ow = static_cast<int>(p % s.OW), oh = static_cast<int>(p / s.OW % s.OH);
    const int64_t n = p / s.OW / s.OH;
    const int h = oh * s.stride - s.top + kh * s.dilation;
    const int v = ow * s.stride - s.left + kw * s.dilation;
    if (h >= 0 && h < s.H && v >= 0 && v < s.W) {
      sum += load_one(dy + s.y_at(n, oh, ow) + o) * load_one(x + s.x_at(n, h, v) + c);
    }
  }
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) {
    store_one(sum, dw + i);
  }
}

}  // namespace

void direct_forward(const Tensor& x, const Tensor& w, const Conv2dSpec& spec, Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    launch(forward_kernel<T>, blocks_for(y.numel(), kThreads), kThreads, 0, x.data<T>(),
           w.data<T>(), Sizes(x.shape(), w.shape(), y.shape(), spec), y.numel(), y.data<T>());
  });
}

void direct_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  dispatch(dy.dtype(), [&]<class T>() {
    launch(backward_data_kernel<T>, blocks_for(dx.numel(), kThreads), kThreads, 0, dy.data<T>(),
           w.data<T>(), Sizes(dx.shape(), w.shape(), dy.shape(), spec), dx.numel(), dx.data<T>());
  });
}

void direct_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                            Tensor& dw) {
  dispatch(dy.dtype(), [&]<class T>() {
    launch(backward_weight_kernel<T>, static_cast<unsigned>(dw.numel()), kThreads, 0, dy.data<T>(),
           x.data<T>(), Sizes(x.shape(), dw.shape(), dy.shape(), spec), dw.data<T>());
  });
}

}  // namespace mld::cuda
