// What follows a convolution or a matrix product, in one pass over its result.
#pragma once

#include "core/specs.h"

namespace mld::cpu {

// y = act(y + bias [+ residual]) in place; act is identity, relu, leaky_relu or relu6; bias and
// residual may be undefined.   bias f32 [O]; residual, y [..., O], float32
// On rows [begin, end) of y seen as a matrix, in this thread.
void epilogue_rows(const Tensor& bias, const Tensor& residual, const ActivationSpec& act,
                   int64_t begin, int64_t end, Tensor& y);
// On all of it.
void epilogue(const Tensor& bias, const Tensor& residual, const ActivationSpec& act, Tensor& y);

}  // namespace mld::cpu
