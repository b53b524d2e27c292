// The checks max_pool and avg_pool share.
#pragma once

#include "autograd/ops/common.h"

namespace mld::ops {

// Checks x and the window, and returns y's shape. Padding beyond half a window would let a window
// lie in padding alone, where neither a maximum nor a mean exists.
inline Shape pooled_shape(const char* op, const Tensor& x, const PoolSpec& spec) {
  check_values(op, "x", x);
  check_rank(op, "x", x, "[N, H, W, C]");
  require(spec.kernel >= 1 && spec.stride >= 1,
          "{}: kernel and stride must be positive, got {} and {}", op, spec.kernel, spec.stride);
  require(spec.pad >= 0 && 2 * spec.pad <= spec.kernel,
          "{}: pad must be between 0 and half the kernel ({}), got {}", op, spec.kernel, spec.pad);
  const int64_t H = x.shape()[1], W = x.shape()[2];
  require(std::min(H, W) + 2 * spec.pad >= spec.kernel,
          "{}: x is {}, with pad {} it is smaller than the {} x {} window", op, x.shape(), spec.pad,
          spec.kernel, spec.kernel);
  return {x.shape()[0], spec.out(H), spec.out(W), x.shape()[3]};
}

}  // namespace mld::ops
