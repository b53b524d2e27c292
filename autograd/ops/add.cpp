// add: y = a + b; both sides get dy itself.
#include "autograd/ops/common.h"

namespace mld {

Var add(const Var& a, const Var& b) {
  ops::check_values("add", "a", a.value);
  ops::check_values("add", "b", b.value);
  require(a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device(),
          "add: a is {} {} on {}, b is {} {} on {}; they must agree", name_of(a.dtype()), a.shape(),
          a.device().str(), name_of(b.dtype()), b.shape(), b.device().str());
  Tensor y = a.value.like();
  KERNEL(a.device(), add)(a.value, b.value, y);
  return record("add", y, {a, b}, [](const Tensor& dy) -> Grads { return {dy, dy}; });
}

}  // namespace mld
