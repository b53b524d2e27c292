// max_pool: the largest value of each window; backward sends dy to where it was.
#include "autograd/ops/common.h"

namespace mld {

Var max_pool(const Var& x, const PoolSpec& spec) {
  const Shape shape = ops::pooled_shape("max_pool", x.value, spec);
  require(spec.kernel <= 16, "max_pool: windows are at most 16 x 16 (positions are stored as one "
          "byte), got {} x {}", spec.kernel, spec.kernel);
  Tensor y(shape, x.dtype(), x.device()), argmax(shape, DType::u8, x.device());
  KERNEL(x.device(), max_pool_forward)(x.value, spec, argmax, y);
  return record("max_pool", y, {x}, [argmax, spec, shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), max_pool_backward)(dy, argmax, spec, dx);
    return {dx};
  });
}

}  // namespace mld
