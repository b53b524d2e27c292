// Convolution: which algorithm computes it, and the 1x1 case as a matrix product.
#include "core/cpu/conv2d.h"

#include <dnnl.h>

#include "core/cpu/gemm.h"
#include "core/cpu/values.h"
#include "core/kernels.h"

namespace mld::cpu {

static bool has_avx512() {
  return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
}

// Note [Which convolution runs]. Measured per convolution of ResNet-50 (224 px, batch 8) and
// ResNet-18 (128 px, batch 32), one thread, GFLOP/s, forward / backward data / backward weight:
//
//                                        nhwc            blocked, reorders included   gemm
//   AVX-512  56 px 1x1   64 -> 256    91 /  89 /  62       73 /  60 /  59        99 /  93 /  90
//            14 px 1x1 1024 -> 256   105 / 105 /  94       90 /  96 /  89       101 / 108 / 102
//            28 px 3x3  128 -> 128   114 / 111 / 105      108 / 107 / 104
//            28 px 3x3/2 256 -> 256  107 / 103 /  74       87 /  94 /  83
//   AVX2     28 px 3x3  128 -> 128    86 /  89 /  77      104 / 106 /  92
//            28 px 3x3/2 256 -> 256   74 /  82 /  55       93 /  87 /  79
//
// So a plain 1x1 is a matrix product; other kernels take oneDNN's blocked layout on AVX2, where the
// gain pays for the reorders, and stay NHWC on AVX-512 but for strided weight gradients. A strided
// 1x1 and the first layer (few channels) stay NHWC: reordering costs more than it brings. The rule
// depends on shapes and the instruction set only, so a run repeats bit for bit.
ConvAlgorithm choose_algorithm(ConvDirection direction, const ConvProblem& problem) {
  if (problem.is_matrix_product()) {
    return ConvAlgorithm::gemm;
  }
  constexpr int64_t kFewChannels = 8;
  if (problem.w[1] * problem.w[2] == 1 || problem.x[3] < kFewChannels) {
    return ConvAlgorithm::nhwc;
  }
  static const bool avx512 = has_avx512();
  const bool strided_weights =
      direction == ConvDirection::backward_weight && problem.spec.stride > 1;
  return avx512 && !strided_weights ? ConvAlgorithm::nhwc : ConvAlgorithm::blocked;
}

namespace {

// y = act(y + bias [+ residual]) for rows of O channels; act(z) as a callable.
template <class Activation>
void epilogue_rows(const float* bias, const float* residual, int64_t M, int64_t O, Activation act,
                   float* y) {
  parallel_for(M, row_grain(O), [=](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      float* row = y + m * O;
      if (residual == nullptr) {
#pragma omp simd
        for (int64_t o = 0; o < O; ++o) {
          row[o] = act(row[o] + bias[o]);
        }
      } else {
        const float* add = residual + m * O;
#pragma omp simd
        for (int64_t o = 0; o < O; ++o) {
          row[o] = act(row[o] + bias[o] + add[o]);
        }
      }
    }
  });
}

}  // namespace

void conv2d_epilogue(const Tensor& bias, const Tensor& residual, const ActivationSpec& act,
                     Tensor& y) {
  const int64_t O = y.shape()[-1], M = y.numel() / O;
  const Tensor b = bias.defined() ? bias : Tensor::zeros({O});
  const float* r = residual.defined() ? residual.data<float>() : nullptr;
  const auto run = [&](auto f) { epilogue_rows(b.data<float>(), r, M, O, f, y.data<float>()); };
  switch (act.kind) {
    case Act::relu:
      return run([](float z) { return z < 0 ? 0.0f : z; });
    case Act::leaky_relu:
      return run([slope = act.slope](float z) { return z < 0 ? z * slope : z; });
    default:
      return run([](float z) { return z; });
  }
}

void conv2d_forward_with(ConvAlgorithm algorithm, const Tensor& x, const Tensor& w,
                         const Tensor& bias, const Tensor& residual, const Conv2dSpec& spec,
                         Tensor& y) {
  if (algorithm != ConvAlgorithm::gemm) {
    onednn_forward(algorithm == ConvAlgorithm::blocked, x, w, bias, residual, spec, y);
    return;
  }
  const int64_t C = x.shape()[-1], O = w.shape()[0], M = x.numel() / C;
  gemm(false, true, M, O, C, x.data<float>(), C, w.data<float>(), C, 0.0f, y.data<float>(), O);
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    conv2d_epilogue(bias, residual, spec.act, y);
  }
}

void conv2d_backward_data_with(ConvAlgorithm algorithm, const Tensor& dy, const Tensor& w,
                               const Conv2dSpec& spec, Tensor& dx) {
  if (algorithm != ConvAlgorithm::gemm) {
    onednn_backward_data(algorithm == ConvAlgorithm::blocked, dy, w, spec, dx);
    return;
  }
  const int64_t O = dy.shape()[-1], C = dx.shape()[-1], M = dx.numel() / C;
  gemm(false, false, M, C, O, dy.data<float>(), O, w.data<float>(), C, 0.0f, dx.data<float>(), C);
}

void conv2d_backward_weight_with(ConvAlgorithm algorithm, const Tensor& dy, const Tensor& x,
                                 const Conv2dSpec& spec, Tensor& dw) {
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
