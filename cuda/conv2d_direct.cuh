// Convolution by plain loops: what runs where cuDNN has no engine for a shape and its rules.
#pragma once

#include "core/specs.h"

namespace mld::cuda {

void direct_forward(const Tensor& x, const Tensor& w, const Conv2dSpec& spec, Tensor& y);
void direct_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx);
void direct_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw);

}  // namespace mld::cuda
