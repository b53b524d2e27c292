// cast: between float32 and bfloat16; the gradient is cast back.
#include "autograd/ops/common.h"

namespace mld {

Var cast(const Var& x, DType dtype) {
  ops::check_values("cast", "x", x.value);
  require(is_float(dtype), "cast: the dtype must be float32 or bfloat16, got {}", name_of(dtype));
  if (x.dtype() == dtype) {
    return x;
  }
  Tensor y(x.shape(), dtype, x.device());
  KERNEL(x.device(), cast)(x.value, y);
  return record("cast", y, {x}, [dtype = x.dtype()](const Tensor& dy) -> Grads {
    Tensor dx(dy.shape(), dtype, dy.device());
    KERNEL(dy.device(), cast)(dy, dx);
    return {dx};
  });
}

}  // namespace mld
