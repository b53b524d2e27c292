// layer_norm: y = (x - mean) * rstd * w + b over the last dimension; w and b are optional.
#include "autograd/ops/common.h"

namespace mld {
namespace {

// w and b are both defined or both undefined.
Var normalized(const Var& x, const Var& w, const Var& b, const LayerNormSpec& spec) {
  const Tensor rows = ops::as_matrix(x.value);
  Tensor y = x.value.like(), y_rows = ops::as_matrix(y);
  Tensor mean({rows.shape()[0]}, DType::f32, x.device()), rstd = mean.like();
  KERNEL(x.device(), layer_norm_forward)(rows, w.value, b.value, spec, mean, rstd, y_rows);
  return record("layer_norm", y, {x, w, b},
                [x = x.value, w = w.value, mean, rstd](const Tensor& dy) -> Grads {
    Tensor dx = x.like(), dx_rows = ops::as_matrix(dx);
    Tensor dw = w.defined() ? w.like() : Tensor{}, db = w.defined() ? w.like() : Tensor{};
    KERNEL(dy.device(), layer_norm_backward)(ops::as_matrix(dy), ops::as_matrix(x), w, mean, rstd,
                                             dx_rows, dw, db);
    return {dx, dw, db};
  });
}

}  // namespace

Var layer_norm(const Var& x, const Var& w, const Var& b, const LayerNormSpec& spec) {
  ops::check_values("layer_norm", "x", x.value, "[..., C]");
  const Shape affine{x.shape()[-1]};
  ops::check_f32("layer_norm", x.value, "w", w.value, affine);
  ops::check_f32("layer_norm", x.value, "b", b.value, affine);
  return normalized(x, w, b, spec);
}

Var layer_norm(const Var& x, const LayerNormSpec& spec) {
  ops::check_values("layer_norm", "x", x.value, "[..., C]");
  return normalized(x, Var(), Var(), spec);
}

}  // namespace mld
