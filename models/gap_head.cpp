#include "models/gap_head.h"

namespace mld {

Var as_tokens(const Var& x) {
  const Shape& s = x.shape();
  require(s.rank() == 3 || s.rank() == 4,
          "head: features must be [N, H, W, C] or tokens [N, T, C], got {}", s);
  return s.rank() == 3 ? x : reshape(x, {s[0], s[1] * s[2], s[3]});
}

Var GapHead::operator()(const Var& x, const Tap& tap) {
  const Var pooled = mean_tokens(as_tokens(x));
  if (tap) {
    tap("pooled", pooled);
  }
  return linear(pooled);
}

StageSummary GapHead::summary(const Shape& x) const {
  const int64_t N = x[0], K = linear.weight.shape[0];
  return {"head", {N, K}, {.linear = linear.macs(N)}};
}

}  // namespace mld
