// The scalar parameters of the kernels, one struct per op, with the field's usual defaults.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/host_device.h"
#include "core/random.h"
#include "core/tensor.h"

namespace mld {

enum class Act {
  identity, relu, leaky_relu, relu6, gelu, quick_gelu, sigmoid, softplus, exponential
};

inline constexpr float kRelu6Top = 6;  // relu6(x) = min(max(x, 0), 6)

struct ActivationSpec {
  Act kind = Act::identity;
  // leaky_relu: the factor for negative inputs; also its derivative at exactly 0, as in PyTorch.
  float slope = 0.01f;
};

struct Conv2dSpec {
  int stride = 1, pad = 0, dilation = 1, groups = 1;
  // TensorFlow's padding "SAME" instead of `pad`: ceil(in / stride) outputs; what their windows
  // need beyond the input lies half before it and half behind it, an odd pixel behind.
  bool same = false;
  ActivationSpec act{};  // applied after bias and residual; inference only (no backward)

  // Along one axis of length `in`, for a kernel of length `kernel`:
  int64_t span(int64_t kernel) const { return dilation * (kernel - 1) + 1; }  // input pixels
  int64_t out(int64_t in, int64_t kernel) const {
    return same ? (in + stride - 1) / stride : (in + 2 * pad - span(kernel)) / stride + 1;
  }
  // Padding before the first pixel and behind the last one.
  int64_t before(int64_t in, int64_t kernel) const { return same ? missing(in, kernel) / 2 : pad; }
  int64_t behind(int64_t in, int64_t kernel) const {
    return same ? missing(in, kernel) - before(in, kernel) : pad;
  }
  int64_t missing(int64_t in, int64_t kernel) const {  // pixels that the windows need beyond `in`
    return std::max<int64_t>(0, (out(in, kernel) - 1) * stride + span(kernel) - in);
  }
};

// y = act(scale(w) * (x - mean) * rstd + b [+ residual]); act is identity, relu, leaky_relu or
// relu6.
struct BatchNormSpec {
  bool training = true;    // batch statistics (and update the running ones), else running ones
  float eps = 1e-5f;
  float momentum = 0.1f;   // running <- (1 - momentum) * running + momentum * batch
  ActivationSpec act{};
  // In-place activated batch norm (arXiv 1712.02616): the scale is |w| + eps. Its derivative at
  // w = 0 is 1, not 0: residual branches start there and could not leave it otherwise.
  bool abs_scale = false;
  MLD_HOST_DEVICE float scale(float w) const {
    return abs_scale ? (w < 0 ? -w : w) + eps : w;
  }
  MLD_HOST_DEVICE float scale_slope(float w) const { return abs_scale && w < 0 ? -1.0f : 1.0f; }
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
// `step`, if defined, replaces key.step: int64 [1] on the op's device, see Note [Replay].
struct DropoutSpec {
  float p = 0;
  RandomKey key{};
  Tensor step{};
  bool active() const { return p > 0; }
};

// Element i gets std * random_normal(key, i) added. `step` as in DropoutSpec.
struct NoiseSpec {
  float std = 1;
  RandomKey key{};
  Tensor step{};
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

// ASL for one label per picture: log-softmax, focusing weights, label smoothing.
struct AslSingleSpec {
  float gamma_neg = 4, gamma_pos = 0, smoothing = 0.1f;
};

// SDL (arXiv 2105.05926): spec/losses-optim-schedule.md 4.
struct SdlSpec {
  float weight = 0.3f;  // lambda; used where variances are given
};

struct ImageNormSpec {
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};  // y = (x / 255 - mean) / std
};

// Note [Replay]. A training step's launches can be captured once and replayed (core/step_queue.h).
// What changes from step to step must then be read from memory, not passed by value: the pictures,
// the step in dropout's key, and these rates.
struct StepRates {
  float lr = 0, beta1 = 0;  // beta1: SGD's momentum
  float one_minus_beta1 = 1;
  float m_correction = 1, root_correction = 1;  // 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
  float corrected_lr = 0;                       // lr / (1 - beta1^t)
  float first = 0;  // 1 in the first update: SGD's buffer starts as the gradient

  // The rates of update t, counted from 1. Computed in float64, as 1 - beta^t cancels for small t.
  static StepRates at(int64_t t, float lr, float beta1, float beta2);
  Tensor tensor() const;  // f32 [kFloats] on the CPU
  static constexpr int64_t kFloats = 7;
};
static_assert(sizeof(StepRates) == StepRates::kFloats * sizeof(float));

// The rates in a tensor's memory (the backend's own).
inline const StepRates* rates_in(const Tensor& rates) {
  return reinterpret_cast<const StepRates*>(rates.data<float>());
}

// One parameter tensor as an optimiser sees it; all float32 and of one shape.
struct AdamSlot {
  Tensor value, grad, m, v;
  float weight_decay = 0;
  float lr_scale = 1;  // of this tensor's learning rate
};
struct AdamSpec {
  Tensor rates;  // StepRates, on the parameters' device
  float beta2 = 0.999f, eps = 1e-8f;
  bool decoupled = false;  // false: Adam with L2 in the gradient; true: AdamW
};
struct SgdSlot {
  Tensor value, grad, momentum;
  float weight_decay = 0;
  float lr_scale = 1;  // of this tensor's learning rate
};
struct LambSpec {
  Tensor rates;  // StepRates, on the parameters' device
  float beta2 = 0.999f, eps = 1e-6f;
  float max_grad_norm = 1;  // timm's form: the gradients of all slots together are clipped to it
  // true: timm's form (clipping, bias correction, trust ratio for decayed tensors only);
  // false: the older form (no bias correction, |theta| clamped to 10, ratio for every tensor).
  bool timm = true;
};

}  // namespace mld
