#include "models/gap_head.h"

namespace mld {

Var GapHead::operator()(const Var& x, const Tap& tap) {
  const Var pooled = mean_tokens(as_tokens(x));
  if (tap) {
    tap("pooled", pooled);
  }
  return linear(pooled);
}

}  // namespace mld
