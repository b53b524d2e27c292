// Layers: convolution, batch norm, linear, layer norm, dropout, squeeze and excitation. A layer's
// parameters have shapes from construction and values from initialize() or load_state(). Names are
// PyTorch's.
#pragma once

#include <cstdint>
#include <optional>

#include "autograd/ops.h"
#include "core/specs.h"
#include "nn/module.h"

namespace mld {

// y = x cross-correlated with weight [+ bias].   [N, H, W, C] -> [N, OH, OW, O]
struct Conv2d : Module {
  Conv2dSpec spec;
  Parameter weight;               // [O, KH, KW, C/groups]; OIHW on disk
  std::optional<Parameter> bias;  // [O]

  // A square kernel. Errors: C or O is not a multiple of spec.groups; spec has an activation.
  Conv2d(int64_t C, int64_t O, int kernel, const Conv2dSpec& spec = {}, bool with_bias = false);

  Var operator()(const Var& x);

  void each(Visitor& v) override;
  // Weight: Kaiming normal, a group's fan out, gain sqrt(2) (torchvision, timm); bias: default.
  void reset(RandomStream& random) override;
};

// Batch norm over N, H, W. The activation that follows is an argument (it is fused).
struct BatchNorm2d : Module {
  BatchNormSpec spec;  // eps 1e-5, momentum 0.1
  Parameter weight, bias;                               // [C]
  Buffer running_mean, running_var, num_batches_tracked;  // [C], [C], [] int64

  explicit BatchNorm2d(int64_t C);

  // act(norm(x) [+ residual]).   x, residual [N, H, W, C]; residual may be undefined
  Var operator()(const Var& x, const ActivationSpec& act = {}, const Var& residual = {});

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
  void drop_derived() override { folded = {}; }

  // The preceding convolution with this norm folded in, kept while folds_norms.
  struct Folded {
    Tensor weight;  // [O, KH, KW, C/groups] in the activation's dtype
    Tensor bias;    // f32 [O]
  } folded;
};

// act(bn(conv(x)) [+ residual]).   x [N, H, W, C]; residual [N, OH, OW, O] or undefined
// While folds_norms and without a tape (see fold_batch_norm) this is one convolution:
//   w' = w * gamma / sqrt(var + eps),  b' = beta + (b - mean) * gamma / sqrt(var + eps),
// where gamma is the norm's scale: its weight, or |weight| + eps with spec.abs_scale.
Var conv_bn(Conv2d& conv, BatchNorm2d& bn, const Var& x, const ActivationSpec& act = {},
            const Var& residual = {});

// y = x weight^T + bias.   [..., C] -> [..., O]
struct Linear : Module {
  Parameter weight;               // [O, C]
  std::optional<Parameter> bias;  // [O]

  Linear(int64_t C, int64_t O, bool with_bias = true);

  Var operator()(const Var& x);
  Var relu(const Var& x);  // max(0, y), fused; needs the bias

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;  // PyTorch's default
};

// Over the last dimension.   [..., C] -> same
struct LayerNorm : Module {
  LayerNormSpec spec;
  Parameter weight, bias;  // [C]

  explicit LayerNorm(int64_t C) : weight(Shape{C}), bias(Shape{C}) {}

  Var operator()(const Var& x);

  void each(Visitor& v) override;
  void reset(RandomStream& random) override;
};

// Squeeze and excitation (arXiv 1709.01507): each channel of a picture times a gate in (0, 1),
// sigmoid(fc2(relu(fc1(the channels' means)))).   [N, H, W, C] -> same
struct SqueezeExcite : Module {
  Conv2d fc1, fc2;  // 1x1 with bias: C to hidden channels and back

  SqueezeExcite(int64_t C, int64_t hidden)
      : fc1(C, hidden, 1, {}, true), fc2(hidden, C, 1, {}, true) {}

  Var operator()(const Var& x);

  void each(Visitor& v) override;
};

// Zeroes elements with probability p in training and divides the rest by 1 - p.
struct Dropout : Module {
  float p;

  explicit Dropout(float p_) : p(p_) {}

  Var operator()(const Var& x);

  void each(Visitor&) override {}
};

}  // namespace mld
