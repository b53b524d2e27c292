// dropout: backward draws the same mask again from its key, so no mask is stored.
#include "autograd/ops/common.h"

namespace mld {

Var dropout(const Var& x, float p) {
  ops::check_values("dropout", "x", x.value);
  ops::check_dropout("dropout", p);
  DropoutSpec spec{.p = p};
  if (x.tape == nullptr || !spec.active()) {
    return x;
  }
  spec.key = x.tape->next_random();
  spec.step = x.tape->random_step();
  Tensor y = x.value.like();
  KERNEL(x.device(), dropout)(x.value, spec, y);
  return record("dropout", y, {x}, [spec](const Tensor& dy) -> Grads {
    Tensor dx = dy.like();
    KERNEL(dy.device(), dropout)(dy, spec, dx);
    return {dx};
  });
}

}  // namespace mld
