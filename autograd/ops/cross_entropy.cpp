// cross_entropy: against target distributions, the mean over the batch.
#include "autograd/ops/common.h"

namespace mld {

Var cross_entropy(const Var& logits, const Tensor& targets) {
  ops::check_loss("cross_entropy", logits, targets);
  Tensor loss({1}, DType::f32, logits.device());
  KERNEL(logits.device(), cross_entropy_forward)(logits.value, targets, loss);
  return record("cross_entropy", loss, {logits},
                [x = logits.value, targets](const Tensor& dloss) -> Grads {
    Tensor dx = x.like();
    KERNEL(dloss.device(), cross_entropy_backward)(dloss, x, targets, dx);
    return {dx};
  });
}

}  // namespace mld
