// Convolution: which algorithm computes it, and the 1x1 case as a matrix product.
#include "core/cpu/conv2d.h"

#include <dnnl.h>

#include "core/cpu/epilogue.h"
#include "core/cpu/gemm.h"
#include "core/kernels.h"

namespace mld::cpu {

static bool has_avx512() {
  return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

// Note [Which convolution runs]. Measured for every convolution of ResNet-50 (224 px, batch 8), one
// thread; GFLOP/s forward / backward data / backward weight, reorders included:
//
//                                        nhwc              blocked             gemm
//   AVX-512  56 px 1x1    64 ->  256    92 /  95 /  68     73 /  62 /  62    100 /  95 /  88
//            14 px 1x1  1024 ->  256   108 / 108 / 109     92 /  93 / 103    103 / 113 / 107
//            28 px 3x3   128 ->  128   117 / 116 / 109    111 / 109 / 105
//            28 px 3x3/2 256 ->  256   113 / 110 /  83     86 / 101 /  85
//            14 px 1x1/2 1024 -> 2048   78 / 104 /  96     95 /  91 /  93
//   AVX2     14 px 1x1  1024 ->  256   104 /  96 /  71     90 /  89 /  81     89 / 105 /  47
//            28 px 3x3   128 ->  128    84 /  95 /  83    106 / 108 /  95
//            28 px 3x3/2 256 ->  256    79 /  84 /  58     97 /  86 /  80
//            28 px 1x1/2 512 -> 1024   107 /  97 /  54     87 /  77 /  76
//
// So a plain 1x1 is a matrix product. (The exception: on AVX2 oneDNN's transposed product halves
// its speed on rows of 4 KiB, which alias in the cache, unless both sides are wide.) Other kernels
// take the blocked layout on AVX2, where the gain pays for the reorders, and stay NHWC on AVX-512,
// where only strided weight gradients and wide strided layers gain. A strided 1x1 and the first
// layer (few channels) have too little work per element to pay for reorders. The rule depends on
// shapes and the instruction set only, so a run repeats bit for bit.
ConvAlgorithm choose_algorithm(ConvDirection direction, const ConvProblem& problem) {
  static const bool avx512 = has_avx512();
  const int64_t C = problem.x[3], O = problem.y[3];
  const bool weight = direction == ConvDirection::backward_weight;
  if (problem.is_matrix_product()) {
    const bool aliases = std::max(C, O) % 1024 == 0 && std::min(C, O) <= 256;
    return weight && aliases && !avx512 ? ConvAlgorithm::blocked : ConvAlgorithm::gemm;
  }
  constexpr int64_t kFewChannels = 8, kWide = 512;
  const bool strided = problem.spec.stride > 1, pointwise = problem.w[1] * problem.w[2] == 1;
  const bool wide_strided = strided && C >= kWide && O >= kWide;
  if (C < kFewChannels) {
    return ConvAlgorithm::nhwc;
  }
  if (avx512) {
    const bool gains = direction == ConvDirection::forward ? wide_strided
                                                           : weight && strided && !pointwise;
    return gains ? ConvAlgorithm::blocked : ConvAlgorithm::nhwc;
  }
  return pointwise && !(weight && wide_strided) ? ConvAlgorithm::nhwc : ConvAlgorithm::blocked;
}

void conv2d_forward_with(ConvAlgorithm algorithm, const Tensor& x, const Tensor& w,
                         const Tensor& bias, const Tensor& residual, const Conv2dSpec& spec,
                         Tensor& y) {
  if (algorithm == ConvAlgorithm::unfolded) {
    unfolded_forward(x, w, bias, residual, spec, y);
    return;
  }
  if (algorithm != ConvAlgorithm::gemm) {
    onednn_forward(algorithm == ConvAlgorithm::blocked, x, w, bias, residual, spec, y);
    return;
  }
  const int64_t C = x.shape()[-1], O = w.shape()[0], M = x.numel() / C;
  gemm(false, true, M, O, C, x.data<float>(), C, w.data<float>(), C, 0.0f, y.data<float>(), O);
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, residual, spec.act, y);
  }
}

void conv2d_backward_data_with(ConvAlgorithm algorithm, const Tensor& dy, const Tensor& w,
                               const Conv2dSpec& spec, Tensor& dx) {
  if (algorithm == ConvAlgorithm::unfolded) {
    unfolded_backward_data(dy, w, spec, dx);
    return;
  }
  if (algorithm != ConvAlgorithm::gemm) {
    onednn_backward_data(algorithm == ConvAlgorithm::blocked, dy, w, spec, dx);
    return;
  }
  const int64_t O = dy.shape()[-1], C = dx.shape()[-1], M = dx.numel() / C;
  gemm(false, false, M, C, O, dy.data<float>(), O, w.data<float>(), C, 0.0f, dx.data<float>(), C);
}

void conv2d_backward_weight_with(ConvAlgorithm algorithm, const Tensor& dy, const Tensor& x,
                                 const Conv2dSpec& spec, Tensor& dw) {
  if (algorithm == ConvAlgorithm::unfolded) {
    unfolded_backward_weight(dy, x, spec, dw);
    return;
  }
  if (algorithm != ConvAlgorithm::gemm) {
    onednn_backward_weight(algorithm == ConvAlgorithm::blocked, dy, x, spec, dw);
    return;
  }
  const int64_t O = dy.shape()[-1], C = x.shape()[-1], M = x.numel() / C;
  gemm(true, false, O, C, M, dy.data<float>(), O, x.data<float>(), C, 0.0f, dw.data<float>(), C);
}

void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                    const Conv2dSpec& spec, Tensor& y) {
  const ConvAlgorithm algorithm =
      choose_algorithm(ConvDirection::forward, {x.shape(), w.shape(), y.shape(), spec});
  Tensor wide = wide_like(y);
  conv2d_forward_with(algorithm, widened(x), widened(w), bias, widened(residual), spec, wide);
  narrow(wide, y);
}

void conv2d_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  const ConvAlgorithm algorithm =
      choose_algorithm(ConvDirection::backward_data, {dx.shape(), w.shape(), dy.shape(), spec});
  Tensor wide = wide_like(dx);
  conv2d_backward_data_with(algorithm, widened(dy), widened(w), spec, wide);
  narrow(wide, dx);
}

void conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
  const ConvAlgorithm algorithm =
      choose_algorithm(ConvDirection::backward_weight, {x.shape(), dw.shape(), dy.shape(), spec});
  Tensor wide = wide_like(dw);
  conv2d_backward_weight_with(algorithm, widened(dy), widened(x), spec, wide);
  narrow(wide, dw);
}

}  // namespace mld::cpu
