// matmul: y = a b per batch; da = dy b^T, db = a^T dy.
#include "autograd/ops/common.h"

namespace mld {

Var matmul(const Var& a, const Var& b) {
  ops::check_values("matmul", "a", a.value, "[B, M, C]");
  ops::check_values("matmul", "b", b.value, "[B, C, O]");
  require(a.dtype() == b.dtype() && a.device() == b.device(),
          "matmul: a is {} on {}, b is {} on {}; they must agree", name_of(a.dtype()),
          a.device().str(), name_of(b.dtype()), b.device().str());
  const int64_t B = a.shape()[0], M = a.shape()[1], C = a.shape()[2], O = b.shape()[2];
  require(b.shape()[0] == B && b.shape()[1] == C,
          "matmul: a is {}, so b must be [{}, {}, *], got {}", a.shape(), B, C, b.shape());
  Tensor y({B, M, O}, a.dtype(), a.device());
  KERNEL(a.device(), matmul)(a.value, b.value, {}, y);
  return record("matmul", y, {a, b},
                [a = ops::kept_if(b.needs_grad(), a.value), a_shape = a.shape(),
                 b = ops::kept_if(a.needs_grad(), b.value),
                 b_shape = b.shape()](const Tensor& dy) -> Grads {
    Tensor da, db;
    if (b.defined()) {
      da = Tensor(a_shape, dy.dtype(), dy.device());
      KERNEL(dy.device(), matmul)(dy, b, {.transpose_b = true}, da);
    }
    if (a.defined()) {
      db = Tensor(b_shape, dy.dtype(), dy.device());
      KERNEL(dy.device(), matmul)(a, dy, {.transpose_a = true}, db);
    }
    return {da, db};
  });
}

}  // namespace mld
