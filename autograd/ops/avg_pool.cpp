// avg_pool: the mean of each window's real pixels; padding is never counted.
#include "autograd/ops/common.h"

namespace mld {

Var avg_pool(const Var& x, const PoolSpec& spec) {
  Tensor y(ops::pooled_shape("avg_pool", x.value, spec), x.dtype(), x.device());
  KERNEL(x.device(), avg_pool_forward)(x.value, spec, y);
  return record("avg_pool", y, {x}, [spec, shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), avg_pool_backward)(dy, spec, dx);
    return {dx};
  });
}

}  // namespace mld
