// dropout: backward draws the same mask again from its key, so no mask is stored.
#include "autograd/ops.h"
#include "autograd/ops/common.h"

namespace mld {

Var dropout(const Var& x, float p, const Tensor& keep) {
  ops::check_values("dropout", "x", x.value);
  ops::check_dropout("dropout", x.value, p, keep, x.value.numel());
  if (x.tape == nullptr || p == 0) {
    return x;
  }
  const DropoutSpec spec{.p = p, .key = x.tape->next_random(), .keep = keep};
  Tensor y = x.value.like();
  KERNEL(x.device(), dropout)(x.value, spec, y);
  return record("dropout", y, {x}, [spec](const Tensor& dy) -> Grads {
    Tensor dx = dy.like();
    KERNEL(dy.device(), dropout)(dy, spec, dx);
    return {dx};
  });
}

}  // namespace mld
