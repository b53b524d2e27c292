// drop_path: backward draws the same pictures again from its key, so nothing is stored.
#include "autograd/ops/common.h"

namespace mld {

Var drop_path(const Var& x, float p) {
  ops::check_values("drop_path", "x", x.value);
  require(x.shape().rank() >= 1, "drop_path: x must be [N, ...], got {}", x.shape());
  ops::check_dropout("drop_path", p);
  DropoutSpec spec{.p = p};
  if (x.tape == nullptr || !spec.active()) {
    return x;
  }
  spec.key = x.tape->next_random();
  spec.step = x.tape->random_step();
  Tensor y = x.value.like();
  KERNEL(x.device(), drop_path)(x.value, spec, y);
  return record("drop_path", y, {x}, [spec](const Tensor& dy) -> Grads {
    Tensor dx = dy.like();
    KERNEL(dy.device(), drop_path)(dy, spec, dx);
    return {dx};
  });
}

}  // namespace mld
