// batch_norm: act(w * (x - mean) * rstd + b [+ residual]) in one op, so that training keeps x and y
// only; the activation's derivative is read off y.
#include "autograd/ops/common.h"

namespace mld {
namespace {

void check(const Var& x, const Var& w, const Var& b, const Var& residual, const Tensor& mean,
           const Tensor& var, const BatchNormSpec& spec) {
  const char* op = "batch_norm";
  ops::check_values(op, "x", x.value, "[N, H, W, C]");
  const int64_t C = x.shape()[3];
  ops::check_f32(op, x.value, "w", w.value, Shape{C});
  ops::check_f32(op, x.value, "b", b.value, Shape{C});
  ops::check_f32(op, x.value, "running_mean", mean, Shape{C});
  ops::check_f32(op, x.value, "running_var", var, Shape{C});
  ops::check_fused_activation(op, spec.act);
  require(!spec.training || x.value.numel() > C,
          "batch_norm: x is {}, training needs more than one value per channel", x.shape());
  if (residual.value.defined()) {
    ops::check_operand(op, x.value, "residual", residual.value);
    require(residual.shape() == x.shape(), "batch_norm: x is {}, so residual must be too, got {}",
            x.shape(), residual.shape());
  }
}

}  // namespace

Var batch_norm(const Var& x, const Var& w, const Var& b, Tensor running_mean, Tensor running_var,
               const BatchNormSpec& spec, const Var& residual) {
  check(x, w, b, residual, running_mean, running_var, spec);
  Tensor y = x.value.like();
  Tensor mean = w.value.like(), rstd = w.value.like();
  KERNEL(x.device(), batch_norm_forward)(x.value, w.value, b.value, residual.value, spec,
                                         running_mean, running_var, mean, rstd, y);
  // Without an activation backward has no use for y; x stands in for it and y can be freed.
  return record("batch_norm", y, {x, w, b, residual},
                [x = x.value, y = spec.act.kind == Act::identity ? x.value : y, w = w.value, mean,
                 rstd, spec, want_residual = residual.needs_grad()](const Tensor& dy) -> Grads {
    Tensor dx = x.like(), dw = w.like(), db = w.like();
    Tensor dresidual = want_residual ? x.like() : Tensor{};
    KERNEL(dy.device(), batch_norm_backward)(dy, x, y, w, mean, rstd, spec, dx, dw, db, dresidual);
    return {dx, dw, db, dresidual};
  });
}

}  // namespace mld
