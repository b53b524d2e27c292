// Linear layers: one product with bias and activation in its epilogue.
#include "core/kernels.h"
#include "cuda/epilogue.cuh"
#include "cuda/gemm.h"

namespace mld::cuda {

// bfloat16 with an epilogue: the product in float32, so that values are rounded once, at the end.
// (The library's own epilogue wants a bfloat16 bias, whose rounding flips signs at a ReLU.)
static void linear_epilogue(const Gemm& product, const Tensor& x, const Tensor& w,
                            const Tensor& bias, const ActivationSpec& act, Tensor& y) {
  Gemm wide = product;
  wide.out = DType::f32;
  const Tensor sums(y.shape(), DType::f32, y.device());
  gemm(wide, x.raw(), w.raw(), nullptr, sums.raw());
  finish(sums, bias, act, y);
}

void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const LinearSpec& spec,
                    Tensor& y) {
  Gemm product{.M = x.shape()[0], .N = w.shape()[0], .K = x.shape()[1], .transpose_b = true,
               .in = x.dtype(), .out = y.dtype()};
  const bool plain = !bias.defined() && spec.act.kind == Act::identity;
  if (y.dtype() == DType::bf16 && !plain) {
    linear_epilogue(product, x, w, bias, spec.act, y);
    return;
  }
  product.relu = spec.act.kind == Act::relu;
  Tensor added = bias;  // the library's ReLU always comes with a bias
  if (product.relu && !bias.defined()) {
    added = Tensor::zeros({product.N}, DType::f32, y.device());
  }
  gemm(product, x.raw(), w.raw(), added.raw(), y.raw());
}

void linear_backward_data(const Tensor& dy, const Tensor& w, Tensor& dx) {
  gemm({.M = dy.shape()[0], .N = w.shape()[1], .K = w.shape()[0], .in = dy.dtype(),
        .out = dx.dtype()},
       dy.raw(), w.raw(), nullptr, dx.raw());
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw) {
  gemm({.M = dy.shape()[1], .N = x.shape()[1], .K = dy.shape()[0], .transpose_a = true,
        .in = dy.dtype(), .out = dw.dtype()},
       dy.raw(), x.raw(), nullptr, dw.raw());
}

void matmul(const Tensor& a, const Tensor& b, const MatmulSpec& spec, Tensor& y) {
  const int64_t B = y.shape()[0], M = y.shape()[1], O = y.shape()[2];
  const int64_t C = spec.transpose_a ? a.shape()[1] : a.shape()[2];
  gemm({.M = M, .N = O, .K = C, .transpose_a = spec.transpose_a, .transpose_b = spec.transpose_b,
        .batches = B, .stride_a = M * C, .stride_b = C * O, .stride_y = M * O, .in = a.dtype(),
        .out = y.dtype()},
       a.raw(), b.raw(), nullptr, y.raw());
}

}  // namespace mld::cuda
