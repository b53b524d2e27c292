#include "models/gap_head.h"

#include <cmath>

#include "nn/init.h"

namespace mld {

Var GapHead::operator()(const Var& x, const Tap& tap) {
  const Var pooled = mean_tokens(as_tokens(x));
  if (tap) {
    tap("pooled", pooled);
  }
  return linear(pooled);
}

void GapHead::reset(RandomStream& random) {
  if (style.weight_std > 0) {
    fill_normal(linear.weight, random, static_cast<double>(style.weight_std));
  }
  if (style.by_classes) {
    fill_uniform(linear.weight, random, 1.0 / std::sqrt(linear.weight.shape[0]));
    fill(*linear.bias, 0);
  }
}

}  // namespace mld
