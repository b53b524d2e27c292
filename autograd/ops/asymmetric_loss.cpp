// asymmetric_loss: ASL for several labels per picture, summed (arXiv 2009.14119).
#include "autograd/ops/common.h"

namespace mld {

Var asymmetric_loss(const Var& logits, const Tensor& targets, const AslSpec& spec,
                    const Tensor& weights) {
  ops::check_loss("asymmetric_loss", logits, targets, weights);
  require(spec.gamma_neg >= 0 && spec.gamma_pos >= 0 && 0 <= spec.clip && spec.clip < 1 &&
              0 < spec.eps && spec.eps < 1,
          "asymmetric_loss: needs gammas >= 0, clip in [0, 1), eps in (0, 1); got gamma_neg {}, "
          "gamma_pos {}, clip {}, eps {}", spec.gamma_neg, spec.gamma_pos, spec.clip, spec.eps);
  Tensor loss({1}, DType::f32, logits.device());
  KERNEL(logits.device(), asymmetric_loss_forward)(logits.value, targets, weights, spec, loss);
  return record("asymmetric_loss", loss, {logits},
                [x = logits.value, targets, weights, spec](const Tensor& dloss) -> Grads {
    Tensor dx = x.like();
    KERNEL(dloss.device(), asymmetric_loss_backward)(dloss, x, targets, weights, spec, dx);
    return {dx};
  });
}

}  // namespace mld
