// What follows a convolution or a matrix product, in one pass over its result.
#pragma once

#include "core/specs.h"

namespace mld::cpu {

// y = act(y + bias [+ residual]) in place; act is identity, relu or leaky_relu; bias and residual
// may be undefined.   bias f32 [O]; residual, y [..., O], float32
void epilogue(const Tensor& bias, const Tensor& residual, const ActivationSpec& act, Tensor& y);

}  // namespace mld::cpu
