// scale: y = factor * x.
#include "autograd/ops/common.h"

namespace mld {

Var scale(const Var& x, float factor) {
  ops::check_values("scale", "x", x.value);
  Tensor y = x.value.like();
  KERNEL(x.device(), scale)(x.value, factor, y);
  return record("scale", y, {x}, [factor](const Tensor& dy) -> Grads {
    Tensor dx = dy.like();
    KERNEL(dy.device(), scale)(dy, factor, dx);
    return {dx};
  });
}

}  // namespace mld
