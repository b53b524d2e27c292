// slice_tokens: tokens [begin, end) of every picture.
#include "autograd/ops/common.h"

namespace mld {

Var slice_tokens(const Var& x, int64_t begin, int64_t end) {
  ops::check_values("slice_tokens", "x", x.value, "[N, L, C]");
  const int64_t N = x.shape()[0], L = x.shape()[1], C = x.shape()[2];
  require(0 <= begin && begin < end && end <= L,
          "slice_tokens: x is {}, so tokens must be within [0, {}), got [{}, {})", x.shape(), L,
          begin, end);
  Tensor y({N, end - begin, C}, x.dtype(), x.device());
  KERNEL(x.device(), slice_tokens_forward)(x.value, begin, y);
  return record("slice_tokens", y, {x}, [N, L, C, begin](const Tensor& dy) -> Grads {
    Tensor dx({N, L, C}, dy.dtype(), dy.device());
    KERNEL(dy.device(), slice_tokens_backward)(dy, begin, dx);
    return {dx};
  });
}

}  // namespace mld
