// How a convolution is computed on the CPU: the choices, and the rule between them.
#pragma once

#include "core/specs.h"

namespace mld::cpu {

enum class ConvDirection { forward, backward_data, backward_weight };

enum class ConvAlgorithm {
  nhwc,      // oneDNN on the NHWC activations directly
  blocked,   // oneDNN in its own channel-blocked layout; activations are reordered in and out
  gemm,      // 1x1, stride 1, no padding, one group: a matrix product
  unfolded,  // a matrix product over copied windows, group by group
  depthwise,  // groups = C = O: kernels of our own, on NHWC
};

// One convolution's geometry.
struct ConvProblem {
  Shape x, w, y;  // [N, H, W, C], [O, KH, KW, C/groups], [N, OH, OW, O]
  Conv2dSpec spec;

  bool is_matrix_product() const {
    return w[1] == 1 && w[2] == 1 && spec.stride == 1 && top() == 0 && spec.groups == 1;
  }
  bool is_depthwise() const { return spec.groups > 1 && w[3] == 1 && w[0] == x[3]; }
  // Padding above and left of the picture.
  int64_t top() const { return spec.before(x[1], w[1]); }
  int64_t left() const { return spec.before(x[2], w[2]); }
};

// Whether this build has oneDNN (the option MLD_ONEDNN): else `nhwc` and `blocked` are missing.
bool has_onednn();

// The rule: see Note [Which convolution runs] in conv2d_choice_onednn.cpp. A pure function of its
// arguments.
ConvAlgorithm choose_algorithm(ConvDirection direction, const ConvProblem& problem);

// The same with the algorithm given, float32 only: what the kernels call and tests compare.
void conv2d_forward_with(ConvAlgorithm algorithm, const Tensor& x, const Tensor& w,
                         const Tensor& bias, const Tensor& residual, const Conv2dSpec& spec,
                         Tensor& y);
void conv2d_backward_data_with(ConvAlgorithm algorithm, const Tensor& dy, const Tensor& w,
                               const Conv2dSpec& spec, Tensor& dx);
void conv2d_backward_weight_with(ConvAlgorithm algorithm, const Tensor& dy, const Tensor& x,
                                 const Conv2dSpec& spec, Tensor& dw);

// oneDNN's part (conv2d_onednn.cpp): `blocked` lets it choose the activations' layout too. Without
// oneDNN (conv2d_portable.cpp) each throws Error.
void onednn_forward(bool blocked, const Tensor& x, const Tensor& w, const Tensor& bias,
                    const Tensor& residual, const Conv2dSpec& spec, Tensor& y);
void onednn_backward_data(bool blocked, const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                          Tensor& dx);
void onednn_backward_weight(bool blocked, const Tensor& dy, const Tensor& x,
                            const Conv2dSpec& spec, Tensor& dw);

// The product over unfolded windows (conv2d_unfold.cpp).
void unfolded_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                      const Conv2dSpec& spec, Tensor& y);
void unfolded_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx);
void unfolded_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                              Tensor& dw);

// Depthwise convolution (conv2d_depthwise.cpp, conv2d_depthwise_weight.cpp).
void depthwise_forward(const Tensor& x, const Tensor& w, const Tensor& bias,
                       const Tensor& residual, const Conv2dSpec& spec, Tensor& y);
void depthwise_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                             Tensor& dx);
void depthwise_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                               Tensor& dw);

}  // namespace mld::cpu
