// asl_single_label: ASL for one label per picture, one loss per picture.
#include "autograd/ops/common.h"

namespace mld {

Var asl_single_label(const Var& logits, const Tensor& targets, const AslSingleSpec& spec,
                     const Tensor& weights) {
  ops::check_loss("asl_single_label", logits, targets, weights);
  require(spec.gamma_neg >= 0 && spec.gamma_pos >= 0 && 0 <= spec.smoothing && spec.smoothing <= 1,
          "asl_single_label: needs gammas >= 0 and smoothing in [0, 1]; got gamma_neg {}, "
          "gamma_pos {}, smoothing {}", spec.gamma_neg, spec.gamma_pos, spec.smoothing);
  Tensor loss({logits.shape()[0]}, DType::f32, logits.device());
  KERNEL(logits.device(), asl_single_label_forward)(logits.value, targets, weights, spec, loss);
  return record("asl_single_label", loss, {logits},
                [x = logits.value, targets, weights, spec](const Tensor& dloss) -> Grads {
    Tensor dx = x.like();
    KERNEL(dloss.device(), asl_single_label_backward)(dloss, x, targets, weights, spec, dx);
    return {dx};
  });
}

}  // namespace mld
