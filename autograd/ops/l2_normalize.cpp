// l2_normalize: rows of length one.
#include "autograd/ops/common.h"

namespace mld {

Var l2_normalize(const Var& x) {
  ops::check_values("l2_normalize", "x", x.value, "[..., C]");
  const Tensor rows = ops::as_matrix(x.value);
  Tensor y = x.value.like(), y_rows = ops::as_matrix(y);
  Tensor norm({rows.shape()[0]}, DType::f32, x.device());
  KERNEL(x.device(), l2_normalize_forward)(rows, norm, y_rows);
  return record("l2_normalize", y, {x}, [y, norm](const Tensor& dy) -> Grads {
    Tensor dx = y.like(), dx_rows = ops::as_matrix(dx);
    KERNEL(dy.device(), l2_normalize_backward)(ops::as_matrix(dy), ops::as_matrix(y), norm,
                                               dx_rows);
    return {dx};
  });
}

}  // namespace mld
