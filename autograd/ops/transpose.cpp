// transpose: swaps the last two of three dimensions.
#include "autograd/ops/common.h"

namespace mld {

Var transpose(const Var& x) {
  ops::check_values("transpose", "x", x.value, "[B, M, C]");
  Tensor y({x.shape()[0], x.shape()[2], x.shape()[1]}, x.dtype(), x.device());
  KERNEL(x.device(), transpose)(x.value, y);
  return record("transpose", y, {x}, [shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), transpose)(dy, dx);
    return {dx};
  });
}

}  // namespace mld
