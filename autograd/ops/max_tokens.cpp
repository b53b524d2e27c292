// max_tokens: the largest value over the positions of a picture.
#include "autograd/ops/common.h"

namespace mld {

Var max_tokens(const Var& x) {
  ops::check_values("max_tokens", "x", x.value, "[N, L, C]");
  const Shape result{x.shape()[0], x.shape()[2]};
  Tensor y(result, x.dtype(), x.device()), argmax(result, DType::i32, x.device());
  KERNEL(x.device(), max_tokens_forward)(x.value, argmax, y);
  return record("max_tokens", y, {x}, [argmax, shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), max_tokens_backward)(dy, argmax, dx);
    return {dx};
  });
}

}  // namespace mld
