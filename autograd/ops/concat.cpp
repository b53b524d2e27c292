// concat: one tensor's rows after another's; the gradient's rows are the inputs' gradients.
#include "autograd/ops/common.h"

namespace mld {

Var concat(const Var& a, const Var& b) {
  ops::check_values("concat", "a", a.value);
  ops::check_operand("concat", a.value, "b", b.value);
  const Shape &s = a.shape(), &t = b.shape();
  require(s.rank() > 0 && s.rank() == t.rank() &&
              std::ranges::equal(s.dims().subspan(1), t.dims().subspan(1)),
          "concat: a is {}, so b must have its rank and row shape, got {}", s, t);
  const int64_t A = s[0], B = t[0];
  Tensor y(s.with(0, A + B), a.dtype(), a.device());
  Tensor first = y.rows(0, A), second = y.rows(A, A + B);
  KERNEL(y.device(), copy)(a.value, first);
  KERNEL(y.device(), copy)(b.value, second);
  return record("concat", y, {a, b}, [A, B](const Tensor& dy) -> Grads {
    return {dy.rows(0, A), dy.rows(A, A + B)};
  });
}

}  // namespace mld
