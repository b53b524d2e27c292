// sum and mean of all elements.
#include "autograd/ops/common.h"

namespace mld {

Var sum(const Var& x) {
  ops::check_values("sum", "x", x.value);
  const int64_t M = x.value.numel();
  Tensor y({1}, x.dtype(), x.device());
  KERNEL(x.device(), sum_rows)(x.value.reshape({M, 1}), y);
  return record("sum", y, {x}, [M, shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx({M, 1}, dy.dtype(), dy.device());
    KERNEL(dy.device(), repeat_rows)(dy, dx);
    return {dx.reshape(shape)};
  });
}

Var mean(const Var& x) {
  ops::check_values("mean", "x", x.value);
  return scale(sum(x), 1.0f / static_cast<float>(x.value.numel()));
}

}  // namespace mld
