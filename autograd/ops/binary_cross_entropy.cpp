// binary_cross_entropy: with logits, the mean over batch and classes.
#include "autograd/ops/common.h"

namespace mld {

Var binary_cross_entropy(const Var& logits, const Tensor& targets) {
  ops::check_loss("binary_cross_entropy", logits, targets);
  Tensor loss({1}, DType::f32, logits.device());
  KERNEL(logits.device(), binary_cross_entropy_forward)(logits.value, targets, loss);
  return record("binary_cross_entropy", loss, {logits},
                [x = logits.value, targets](const Tensor& dloss) -> Grads {
    Tensor dx = x.like();
    KERNEL(dloss.device(), binary_cross_entropy_backward)(dloss, x, targets, dx);
    return {dx};
  });
}

}  // namespace mld
