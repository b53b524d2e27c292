// activation: one function of one element; the named ones are its kinds.
#include "autograd/ops/common.h"

namespace mld {

Var activation(const Var& x, const ActivationSpec& spec) {
  ops::check_values("activation", "x", x.value);
  Tensor y = x.value.like();
  KERNEL(x.device(), activation_forward)(x.value, spec, y);
  return record("activation", y, {x}, [x = x.value, spec](const Tensor& dy) -> Grads {
    Tensor dx = x.like();
    KERNEL(dy.device(), activation_backward)(dy, x, spec, dx);
    return {dx};
  });
}

Var relu(const Var& x) { return activation(x, {.kind = Act::relu}); }
Var leaky_relu(const Var& x, float slope) {
  return activation(x, {.kind = Act::leaky_relu, .slope = slope});
}
Var relu6(const Var& x) { return activation(x, {.kind = Act::relu6}); }
Var gelu(const Var& x) { return activation(x, {.kind = Act::gelu}); }
Var quick_gelu(const Var& x) { return activation(x, {.kind = Act::quick_gelu}); }
Var sigmoid(const Var& x) { return activation(x, {.kind = Act::sigmoid}); }
Var softplus(const Var& x) { return activation(x, {.kind = Act::softplus}); }
Var exponential(const Var& x) { return activation(x, {.kind = Act::exponential}); }

}  // namespace mld
