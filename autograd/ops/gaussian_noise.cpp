// gaussian_noise: adds normal noise; the gradient passes unchanged.
#include "autograd/ops/common.h"

namespace mld {

Var gaussian_noise(const Var& x, float std) {
  ops::check_values("gaussian_noise", "x", x.value);
  require(std >= 0, "gaussian_noise: std must not be negative, got {}", std);
  if (x.tape == nullptr || std == 0) {
    return x;
  }
  const NoiseSpec spec{.std = std, .key = x.tape->next_random(), .step = x.tape->random_step()};
  Tensor y = x.value.like();
  KERNEL(x.device(), gaussian_noise)(x.value, spec, y);
  return record("gaussian_noise", y, {x}, [](const Tensor& dy) -> Grads { return {dy}; });
}

}  // namespace mld
