// repeat_batch: the same rows for every picture; the gradient is the sum over the pictures.
#include "autograd/ops/common.h"

namespace mld {

Var repeat_batch(const Var& x, int64_t N) {
  ops::check_values("repeat_batch", "x", x.value, "[R, D]");
  require(N > 0, "repeat_batch: N must be positive, got {}", N);
  const int64_t R = x.shape()[0], D = x.shape()[1];
  Tensor y({N, R, D}, x.dtype(), x.device());
  KERNEL(x.device(), repeat_rows)(x.value, y);
  return record("repeat_batch", y, {x}, [N, R, D](const Tensor& dy) -> Grads {
    Tensor dx({R, D}, dy.dtype(), dy.device());
    Tensor flat = dx.reshape({R * D});
    KERNEL(dy.device(), sum_rows)(dy.reshape({N, R * D}), flat);
    return {dx};
  });
}

}  // namespace mld
