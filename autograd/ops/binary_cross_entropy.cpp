// binary_cross_entropy: with logits, the mean over batch and classes.
#include "autograd/ops/common.h"

namespace mld {

Var binary_cross_entropy(const Var& logits, const Tensor& targets, const Tensor& weights) {
  ops::check_loss("binary_cross_entropy", logits, targets, weights);
  Tensor loss({1}, DType::f32, logits.device());
  KERNEL(logits.device(), binary_cross_entropy_forward)(logits.value, targets, weights, loss);
  return record("binary_cross_entropy", loss, {logits},
                [x = logits.value, targets, weights](const Tensor& dloss) -> Grads {
    Tensor dx = x.like();
    KERNEL(dloss.device(), binary_cross_entropy_backward)(dloss, x, targets, weights, dx);
    return {dx};
  });
}

}  // namespace mld
