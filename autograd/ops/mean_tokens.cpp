// mean_tokens, global_avg_pool: the mean over all positions of a picture.
#include "autograd/ops/common.h"

namespace mld {

Var mean_tokens(const Var& x) {
  ops::check_values("mean_tokens", "x", x.value, "[N, L, C]");
  Tensor y({x.shape()[0], x.shape()[2]}, x.dtype(), x.device());
  KERNEL(x.device(), mean_tokens_forward)(x.value, y);
  return record("mean_tokens", y, {x}, [shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), mean_tokens_backward)(dy, dx);
    return {dx};
  });
}

Var global_avg_pool(const Var& x) {
  ops::check_values("global_avg_pool", "x", x.value, "[N, H, W, C]");
  const int64_t N = x.shape()[0], L = x.shape()[1] * x.shape()[2], C = x.shape()[3];
  return reshape(mean_tokens(reshape(x, {N, L, C})), {N, 1, 1, C});
}

}  // namespace mld
