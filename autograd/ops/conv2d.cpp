// conv2d: cross-correlation with zero padding; conv2d_fused adds what follows it in inference.
#include "autograd/ops/common.h"

namespace mld {
namespace {

// Checks the inputs (bias may be undefined) and returns y's shape.
Shape checked_shape(const char* op, const Var& x, const Var& w, const Var& bias,
                    const Conv2dSpec& spec) {
  ops::check_values(op, "x", x.value, "[N, H, W, C]");
  ops::check_operand(op, x.value, "w", w.value);
  ops::check_rank(op, "w", w.value, "[O, KH, KW, C/groups]");
  require(spec.stride >= 1 && spec.pad >= 0 && spec.dilation >= 1 && spec.groups >= 1,
          "{}: stride, dilation and groups must be positive and pad not negative, got {}, {}, {}, "
          "{}", op, spec.stride, spec.dilation, spec.groups, spec.pad);
  require(!spec.same || spec.pad == 0, "{}: same padding and pad {} exclude each other", op,
          spec.pad);
  const int64_t C = x.shape()[3], O = w.shape()[0], KH = w.shape()[1], KW = w.shape()[2];
  require(C % spec.groups == 0 && O % spec.groups == 0,
          "{}: {} groups do not divide {} input and {} output channels", op, spec.groups, C, O);
  require(w.shape()[3] == C / spec.groups, "{}: x is {}, so w must be [*, *, *, {}], got {}", op,
          x.shape(), C / spec.groups, w.shape());
  require(spec.same || (x.shape()[1] + 2 * spec.pad >= spec.span(KH) &&
                        x.shape()[2] + 2 * spec.pad >= spec.span(KW)),
          "{}: x is {}, with pad {} it is smaller than the kernel, which spans {} x {}", op,
          x.shape(), spec.pad, spec.span(KH), spec.span(KW));
  if (bias.value.defined()) {
    ops::check_f32(op, x.value, "bias", bias.value, Shape{O});
  }
  return {x.shape()[0], spec.out(x.shape()[1], KH), spec.out(x.shape()[2], KW), O};
}

}  // namespace

Var conv2d(const Var& x, const Var& w, const Var& bias, const Conv2dSpec& spec) {
  const Shape shape = checked_shape("conv2d", x, w, bias, spec);
  require(spec.act.kind == Act::identity, "conv2d: an activation in spec needs conv2d_fused");
  Tensor y(shape, x.dtype(), x.device());
  KERNEL(x.device(), conv2d_forward)(x.value, w.value, bias.value, Tensor{}, spec, y);
  // dx needs w, dw needs x: what serves no gradient is not saved.
  return record("conv2d", y, {x, w, bias},
                [x = ops::kept_if(w.needs_grad(), x.value), x_shape = x.shape(),
                 w = ops::kept_if(x.needs_grad(), w.value), w_shape = w.shape(),
                 want_bias = bias.needs_grad(), spec](const Tensor& dy) -> Grads {
    Tensor dx, dw, db;
    if (w.defined()) {
      dx = Tensor(x_shape, dy.dtype(), dy.device());
      KERNEL(dy.device(), conv2d_backward_data)(dy, w, spec, dx);
    }
    if (x.defined()) {
      dw = Tensor(w_shape, dy.dtype(), dy.device());
      KERNEL(dy.device(), conv2d_backward_weight)(dy, x, spec, dw);
    }
    if (want_bias) {
      db = ops::bias_gradient(dy);
    }
    return {dx, dw, db};
  });
}

Var conv2d(const Var& x, const Var& w, const Conv2dSpec& spec) { return conv2d(x, w, {}, spec); }

Var conv2d_fused(const Var& x, const Var& w, const Var& bias, const Var& residual,
                 const Conv2dSpec& spec) {
  const char* op = "conv2d_fused";
  const Shape shape = checked_shape(op, x, w, bias, spec);
  require(!x.needs_grad() && !w.needs_grad() && !bias.needs_grad() && !residual.needs_grad(),
          "conv2d_fused: an input needs a gradient, but this op is for inference; use conv2d");
  ops::check_fused_activation(op, spec.act);
  if (residual.value.defined()) {
    ops::check_operand(op, x.value, "residual", residual.value);
    require(residual.shape() == shape, "conv2d_fused: y is {}, so residual must be too, got {}",
            shape, residual.shape());
  }
  Tensor y(shape, x.dtype(), x.device());
  KERNEL(x.device(), conv2d_forward)(x.value, w.value, bias.value, residual.value, spec, y);
  return record(op, y, {x, w, bias, residual}, {});
}

}  // namespace mld
