// scale_channels: one factor per picture and channel (the gate of squeeze-and-excitation).
#include "autograd/ops/common.h"

namespace mld {

Var scale_channels(const Var& x, const Var& gate) {
  ops::check_values("scale_channels", "x", x.value, "[N, H, W, C]");
  ops::check_operand("scale_channels", x.value, "gate", gate.value);
  const int64_t N = x.shape()[0], L = x.shape()[1] * x.shape()[2], C = x.shape()[3];
  require(gate.shape() == Shape{N, 1, 1, C},
          "scale_channels: x is {}, so gate must be [{}, 1, 1, {}], got {}", x.shape(), N, C,
          gate.shape());
  const Tensor tokens = x.value.reshape({N, L, C}), factors = gate.value.reshape({N, C});
  Tensor y = tokens.like();
  KERNEL(x.device(), scale_channels_forward)(tokens, factors, y);
  return record("scale_channels", y.reshape(x.shape()), {x, gate},
                [tokens, factors, shape = x.shape(), gate_shape = gate.shape()](
                    const Tensor& dy) -> Grads {
    Tensor dx = tokens.like(), dgate = factors.like();
    KERNEL(dy.device(), scale_channels_backward)(dy.reshape(tokens.shape()), tokens, factors, dx,
                                                 dgate);
    return {dx.reshape(shape), dgate.reshape(gate_shape)};
  });
}

}  // namespace mld
