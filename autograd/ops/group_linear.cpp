// group_linear: class k = group * g + j reads query `group` only (ML-Decoder, eq. 6).
#include "autograd/ops/common.h"

namespace mld {

Var group_linear(const Var& h, const Var& w, const Var& bias) {
  const char* op = "group_linear";
  ops::check_values(op, "h", h.value, "[N, G, D]");
  ops::check_values(op, "w", w.value, "[G, D, g]");
  const int64_t N = h.shape()[0], G = h.shape()[1], D = h.shape()[2], g = w.shape()[2];
  require(w.shape()[0] == G && w.shape()[1] == D,
          "group_linear: h is {}, so w must be [{}, {}, *], got {}", h.shape(), G, D, w.shape());
  require(h.dtype() == w.dtype() && h.device() == w.device(),
          "group_linear: h is {} on {}, w is {} on {}; they must agree", name_of(h.dtype()),
          h.device().str(), name_of(w.dtype()), w.device().str());
  require(bias.value.defined() && bias.dtype() == DType::f32 && bias.shape().rank() == 1 &&
              1 <= bias.shape()[0] && bias.shape()[0] <= G * g && bias.device() == h.device(),
          "group_linear: w is {}, so bias must be float32 [K] on {} with 1 <= K <= {}, got {} {}",
          w.shape(), h.device().str(), G * g, name_of(bias.dtype()), bias.shape());
  Tensor y({N, bias.shape()[0]}, h.dtype(), h.device());
  KERNEL(h.device(), group_linear_forward)(h.value, w.value, bias.value, y);
  return record(op, y, {h, w, bias},
                [h = h.value, w = w.value,
                 want_bias = bias.needs_grad()](const Tensor& dy) -> Grads {
    Tensor dh = h.like(), dw = w.like();
    KERNEL(dy.device(), group_linear_backward)(dy, h, w, dh, dw);
    return {dh, dw, want_bias ? ops::bias_gradient(dy) : Tensor{}};
  });
}

}  // namespace mld
