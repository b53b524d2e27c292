// Depthwise convolution (groups = C = O) with 3x3 and 5x5 kernels, strides 1 and 2: kernels of our
// own, since memory is the limit and NHWC the right layout for it.
#pragma once

#include "core/specs.h"

namespace mld::cuda {

// Whether these kernels take the convolution; its channels must divide into 16-byte packs.
inline bool has_depthwise(const Shape& x, const Shape& w, const Conv2dSpec& spec) {
  constexpr int64_t kPack = 8;
  return spec.groups == x[3] && w[0] == x[3] && x[3] % kPack == 0 && w[1] == w[2] &&
         (w[1] == 3 || w[1] == 5) && (spec.stride == 1 || spec.stride == 2) && spec.dilation == 1;
}

// y = spec.act(conv2d(x, w) [+ bias] [+ residual]); the gradients are of conv2d alone.
void depthwise_forward(const Tensor& x, const Tensor& w, const Tensor& bias,
                       const Tensor& residual, const Conv2dSpec& spec, Tensor& y);
void depthwise_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                             Tensor& dx);
void depthwise_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                               Tensor& dw);

}  // namespace mld::cuda
