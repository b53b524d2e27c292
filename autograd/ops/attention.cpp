// attention: per head y = dropout(softmax(q k^T / sqrt(D/E))) v. Backward recomputes the
// probabilities from their log-sum-exp, so no [Q, L] matrix is stored.
#include "autograd/ops/common.h"

namespace mld {
namespace {

void check(const Var& q, const Var& k, const Var& v, const AttentionSpec& spec) {
  const char* op = "attention";
  ops::check_values(op, "q", q.value, "[N, Q, D]");
  ops::check_values(op, "k", k.value, "[N, L, D]");
  ops::check_values(op, "v", v.value, "[N, L, D]");
  const int64_t N = k.shape()[0], D = k.shape()[2];
  require(v.shape() == k.shape(), "attention: k is {}, so v must be too, got {}", k.shape(),
          v.shape());
  require((q.shape()[0] == N || q.shape()[0] == 1) && q.shape()[2] == D,
          "attention: k is {}, so q must be [{} or 1, *, {}], got {}", k.shape(), N, D, q.shape());
  require(q.dtype() == k.dtype() && k.dtype() == v.dtype(),
          "attention: q, k and v must have one dtype, got {}, {} and {}", name_of(q.dtype()),
          name_of(k.dtype()), name_of(v.dtype()));
  require(q.device() == k.device() && k.device() == v.device(),
          "attention: q, k and v must be on one device, got {}, {} and {}", q.device().str(),
          k.device().str(), v.device().str());
  require(spec.heads >= 1 && D % spec.heads == 0, "attention: {} heads do not divide {} features",
          spec.heads, D);
  ops::check_dropout(op, spec.dropout.p);
}

}  // namespace

Var attention(const Var& q, const Var& k, const Var& v, const AttentionSpec& spec) {
  check(q, k, v, spec);
  const int64_t N = k.shape()[0], Q = q.shape()[1], D = k.shape()[2];
  Tensor y({N, Q, D}, q.dtype(), q.device());
  Tensor lse({N, spec.heads, Q}, DType::f32, q.device());
  KERNEL(q.device(), attention_forward)(q.value, k.value, v.value, spec, lse, y);
  return record("attention", y, {q, k, v},
                [q = q.value, k = k.value, v = v.value, y, lse, spec](const Tensor& dy) -> Grads {
    Tensor dq = q.like(), dk = k.like(), dv = v.like();
    KERNEL(dy.device(), attention_backward)(dy, q, k, v, y, lse, spec, dq, dk, dv);
    return {dq, dk, dv};
  });
}

}  // namespace mld
