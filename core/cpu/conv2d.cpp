// Convolution by the chosen algorithm; the 1x1 case as a matrix product.
#include "core/cpu/support/conv2d.h"

#include "core/cpu/support/epilogue.h"
#include "core/cpu/support/gemm.h"
#include "core/kernels.h"

namespace mld::cpu {

void conv2d_forward_with(ConvAlgorithm algorithm, const Tensor& x, const Tensor& w,
                         const Tensor& bias, const Tensor& residual, const Conv2dSpec& spec,
                         Tensor& y) {
  if (algorithm == ConvAlgorithm::unfolded) {
    unfolded_forward(x, w, bias, residual, spec, y);
    return;
  }
  if (algorithm == ConvAlgorithm::depthwise) {
    depthwise_forward(x, w, bias, residual, spec, y);
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
  if (algorithm == ConvAlgorithm::depthwise) {
    depthwise_backward_data(dy, w, spec, dx);
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
  if (algorithm == ConvAlgorithm::depthwise) {
    depthwise_backward_weight(dy, x, spec, dw);
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
