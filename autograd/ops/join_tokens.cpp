// join_tokens: a's tokens, then b's. The gradient of each is its slice.
#include "autograd/ops/common.h"

namespace mld {

Var join_tokens(const Var& a, const Var& b) {
  ops::check_values("join_tokens", "a", a.value, "[N, L, C]");
  ops::check_values("join_tokens", "b", b.value, "[N, L, C]");
  const int64_t N = a.shape()[0], A = a.shape()[1], B = b.shape()[1], C = a.shape()[2];
  require(b.shape() == Shape{N, B, C} && b.dtype() == a.dtype() && b.device() == a.device(),
          "join_tokens: a is {} {} on {}, so b must be [{}, *, {}] of that dtype there, got {} {} "
          "on {}", name_of(a.dtype()), a.shape(), a.device().str(), N, C, name_of(b.dtype()),
          b.shape(), b.device().str());
  Tensor y({N, A + B, C}, a.dtype(), a.device());
  KERNEL(a.device(), join_tokens)(a.value, b.value, y);
  return record("join_tokens", y, {a, b}, [N, A, B, C](const Tensor& dy) -> Grads {
    Tensor da({N, A, C}, dy.dtype(), dy.device()), db({N, B, C}, dy.dtype(), dy.device());
    KERNEL(dy.device(), slice_tokens_forward)(dy, 0, da);
    KERNEL(dy.device(), slice_tokens_forward)(dy, A, db);
    return {da, db};
  });
}

}  // namespace mld
