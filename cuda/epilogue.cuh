// Bias, residual and activation, where a convolution or product could not fuse them.
#pragma once

#include "core/specs.h"

namespace mld::cuda {

// y = act(y + bias [+ residual]) in place.   bias f32 [O] and residual [..., O] may be undefined
void epilogue(const Tensor& bias, const Tensor& residual, const ActivationSpec& act, Tensor& y);
// y = act(sums + bias), rounded once.   sums f32 [..., O], y bf16 of the same shape
void finish(const Tensor& sums, const Tensor& bias, const ActivationSpec& act, Tensor& y);

}  // namespace mld::cuda
