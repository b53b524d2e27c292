#include "models/gap_head.h"

namespace mld {

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
