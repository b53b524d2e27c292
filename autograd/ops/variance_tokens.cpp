// variance_tokens: the unbiased variance over the positions of a picture.
#include "autograd/ops/common.h"

namespace mld {

Var variance_tokens(const Var& x) {
  ops::check_values("variance_tokens", "x", x.value, "[N, L, C]");
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  require(L >= 2, "variance_tokens: x is {}, the unbiased variance needs L >= 2", x.shape());
  Tensor y({N, C}, x.dtype(), x.device()), mean({N, C}, DType::f32, x.device());
  KERNEL(x.device(), variance_tokens_forward)(x.value, mean, y);
  return record("variance_tokens", y, {x}, [x = x.value, mean](const Tensor& dy) -> Grads {
    Tensor dx = x.like();
    KERNEL(dy.device(), variance_tokens_backward)(dy, x, mean, dx);
    return {dx};
  });
}

}  // namespace mld
