// softmax and log_softmax over the last dimension.
#include "autograd/ops/common.h"

namespace mld {

Var softmax(const Var& x) {
  ops::check_values("softmax", "x", x.value, "[..., C]");
  Tensor y = x.value.like(), y_rows = ops::as_matrix(y);
  KERNEL(x.device(), softmax_forward)(ops::as_matrix(x.value), y_rows);
  return record("softmax", y, {x}, [y](const Tensor& dy) -> Grads {
    Tensor dx = y.like(), dx_rows = ops::as_matrix(dx);
    KERNEL(dy.device(), softmax_backward)(ops::as_matrix(dy), ops::as_matrix(y), dx_rows);
    return {dx};
  });
}

Var log_softmax(const Var& x) {
  ops::check_values("log_softmax", "x", x.value, "[..., C]");
  Tensor y = x.value.like(), y_rows = ops::as_matrix(y);
  KERNEL(x.device(), log_softmax_forward)(ops::as_matrix(x.value), y_rows);
  return record("log_softmax", y, {x}, [y](const Tensor& dy) -> Grads {
    Tensor dx = y.like(), dx_rows = ops::as_matrix(dx);
    KERNEL(dy.device(), log_softmax_backward)(ops::as_matrix(dy), ops::as_matrix(y), dx_rows);
    return {dx};
  });
}

}  // namespace mld
