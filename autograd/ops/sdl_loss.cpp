// sdl_loss: semantic diversity learning, one loss per picture.
#include "autograd/ops/common.h"

namespace mld {

Var sdl_loss(const Var& scores, const Var& variances, const Tensor& targets, const Tensor& words,
             const SdlSpec& spec, const Tensor& weights) {
  const char* op = "sdl_loss";
  ops::check_loss(op, scores, targets, weights);
  const int64_t N = scores.shape()[0], K = scores.shape()[1];
  require(words.defined() && words.dtype() == DType::f32 && words.shape().rank() == 2 &&
              words.shape()[0] == K && words.device() == scores.device(),
          "sdl_loss: scores are {} on {}, so words must be float32 [{}, D] there, got {} {} on {}",
          scores.shape(), scores.device().str(), K, name_of(words.dtype()), words.shape(),
          words.device().str());
  const bool regularised = variances.value.defined();
  if (regularised) {
    ops::check_f32(op, scores.value, "variances", variances.value, {N, words.shape()[1]});
  }
  require(0 <= spec.weight && spec.weight <= 1, "sdl_loss: weight must be in [0, 1], got {}",
          spec.weight);
  Tensor loss({N}, DType::f32, scores.device());
  KERNEL(scores.device(), sdl_loss_forward)(scores.value, variances.value, targets, weights, words,
                                            spec, loss);
  return record(op, loss, {scores, variances},
                [s = scores.value, targets, weights, words, spec, regularised](
                    const Tensor& dloss) -> Grads {
    Tensor ds = s.like(), dv;
    if (regularised) {
      dv = Tensor({s.shape()[0], words.shape()[1]}, DType::f32, s.device());
    }
    KERNEL(dloss.device(), sdl_loss_backward)(dloss, s, targets, weights, words, spec, ds, dv);
    return {ds, dv};
  });
}

}  // namespace mld
