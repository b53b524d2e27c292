// linear: y = x w^T + bias over the last dimension; linear_relu fuses max(0, y).
#include "autograd/ops/common.h"

namespace mld {
namespace {

Shape checked_shape(const char* op, const Var& x, const Var& w, const Var& bias) {
  ops::check_values(op, "x", x.value, "[..., C]");
  ops::check_operand(op, x.value, "w", w.value);
  ops::check_rank(op, "w", w.value, "[O, C]");
  require(w.shape()[1] == x.shape()[-1], "{}: x is {}, so w must be [*, {}], got {}", op, x.shape(),
          x.shape()[-1], w.shape());
  if (bias.value.defined()) {
    require(bias.dtype() == DType::f32 && bias.shape() == Shape{w.shape()[0]},
            "{}: w is {}, so bias must be float32 [{}], got {} {}", op, w.shape(), w.shape()[0],
            name_of(bias.dtype()), bias.shape());
    ops::check_device(op, x.value, "bias", bias.value);
  }
  return x.shape().with(-1, w.shape()[0]);
}

Var apply(const char* op, const Var& x, const Var& w, const Var& bias, const LinearSpec& spec) {
  Tensor y(checked_shape(op, x, w, bias), x.dtype(), x.device()), y_rows = ops::as_matrix(y);
  KERNEL(x.device(), linear_forward)(ops::as_matrix(x.value), w.value, bias.value, spec, y_rows);
  // dx needs w, dw needs x, and the activation's derivative is read off the sign of y.
  return record(op, y, {x, w, bias},
                [x = ops::kept_if(w.needs_grad(), x.value), x_shape = x.shape(),
                 w = ops::kept_if(x.needs_grad(), w.value), w_shape = w.shape(),
                 y = ops::kept_if(spec.act.kind != Act::identity, y),
                 want_bias = bias.needs_grad(), spec](const Tensor& dy) -> Grads {
    Tensor dz = dy, dx, dw, db;
    if (y.defined()) {
      dz = dy.like();
      KERNEL(dy.device(), activation_backward)(dy, y, spec.act, dz);
    }
    const Tensor dz_rows = ops::as_matrix(dz);
    if (w.defined()) {
      dx = Tensor(x_shape, dy.dtype(), dy.device());
      Tensor dx_rows = ops::as_matrix(dx);
      KERNEL(dy.device(), linear_backward_data)(dz_rows, w, dx_rows);
    }
    if (x.defined()) {
      dw = Tensor(w_shape, dy.dtype(), dy.device());
      KERNEL(dy.device(), linear_backward_weight)(dz_rows, ops::as_matrix(x), dw);
    }
    if (want_bias) {
      db = ops::bias_gradient(dz);
    }
    return {dx, dw, db};
  });
}

}  // namespace

Var linear(const Var& x, const Var& w) { return apply("linear", x, w, Var(), {}); }

Var linear(const Var& x, const Var& w, const Var& bias) { return apply("linear", x, w, bias, {}); }

Var linear_relu(const Var& x, const Var& w, const Var& bias) {
  return apply("linear_relu", x, w, bias, {.act = {.kind = Act::relu}});
}

}  // namespace mld
