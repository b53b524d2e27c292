// The scalar parameters of the kernels, one struct per op, with the field's usual defaults.
#pragma once

#include <array>
#include <cstdint>

#include "core/random.h"
#include "core/tensor.h"

namespace mld {

enum class Act { identity, relu, leaky_relu, gelu, quick_gelu, sigmoid, softplus };

struct ActivationSpec {
  Act kind = Act::identity;
  // leaky_relu: the factor for negative inputs; also its derivative at exactly 0, as in PyTorch.
  float slope = 0.01f;
};

struct Conv2dSpec {
  int stride = 1, pad = 0, dilation = 1, groups = 1;
  ActivationSpec act{};  // applied after bias and residual; inference only (no backward)
  // Output size along one axis of length `in` for a kernel of length `kernel`.
  int64_t out(int64_t in, int64_t kernel) const {
    return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  }
};

// y = act(gamma * (x - mean) * rstd + beta [+ residual]); act is identity, relu or leaky_relu.
struct BatchNormSpec {
  bool training = true;    // batch statistics (and update the running ones), else running ones
  float eps = 1e-5f;
  float momentum = 0.1f;   // running <- (1 - momentum) * running + momentum * batch
  ActivationSpec act{};
};

struct PoolSpec {
  int kernel = 2, stride = 2, pad = 0;
  bool ceil_mode = false;  // average pooling never counts padding
  int64_t out(int64_t in) const {
    int64_t n = (in + 2 * pad - kernel + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && (n - 1) * stride >= in + pad) {
      --n;  // the last window must start inside the input or its left padding
    }
    return n;
  }
};

struct LinearSpec {
  ActivationSpec act{};  // identity or relu
};

struct MatmulSpec {
  bool transpose_a = false, transpose_b = false;
};

// Element i is kept when random_uniform(key, i) >= p, and then divided by 1 - p.
// `keep`, where defined, replaces the random draw: a uint8 mask of the same number of elements.
struct DropoutSpec {
  float p = 0;
  RandomKey key{};
  Tensor keep{};
  bool active() const { return p > 0 || keep.defined(); }
};

struct AttentionSpec {
  int heads = 8;
  bool causal = false;    // query i sees keys 0..i
  DropoutSpec dropout{};  // on the probabilities, element ((n * heads + e) * Q + q) * L + l
};

struct LayerNormSpec {
  float eps = 1e-5f;
};

// Asymmetric loss (arXiv 2009.14119 and its published code): spec/losses-optim-schedule.md 1.
struct AslSpec {
  float gamma_neg = 4, gamma_pos = 0, clip = 0.05f, eps = 1e-8f;
  bool detach_weights = true;  // the focusing factor is a constant for backward
};

// ASL for one label per image: log-softmax, focusing weights, label smoothing.
struct AslSingleSpec {
  float gamma_neg = 4, gamma_pos = 0, smoothing = 0.1f;
};

struct ImageNormSpec {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};  // y = (x / 255 - mean) / std
};

// One parameter tensor as an optimiser sees it; all float32 and of one shape.
struct AdamSlot {
  Tensor value, grad, m, v;
  float weight_decay = 0;
};
struct AdamSpec {
  float lr = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
  int64_t step = 1;        // t, counted from 1
  bool decoupled = false;  // false: Adam with L2 in the gradient; true: AdamW
};
struct SgdSlot {
  Tensor value, grad, momentum;
  float weight_decay = 0;
};
struct SgdSpec {
  float lr = 0.1f, momentum = 0.9f;
  bool first_step = false;  // the momentum buffer starts as the gradient
};
struct LambSpec {
  float lr = 4e-3f, beta1 = 0.9f, beta2 = 0.999f, eps = 1e-6f;
  int64_t step = 1;
  float max_grad_norm = 1;  // timm's form: the gradients of all slots together are clipped to it
  // true: timm's form (clipping, bias correction, trust ratio for decayed tensors only);
  // false: the older form (no bias correction, |theta| clamped to 10, ratio for every tensor).
  bool timm = true;
};

}  // namespace mld
