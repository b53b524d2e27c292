// What the op files share: the checks every op starts with, and small pieces of backward passes.
// Every check throws Error, the op's name first; the messages are pinned by tests/errors_test.cpp.
#pragma once

#include <algorithm>
#include <string_view>

#include "autograd/ops.h"
#include "core/kernels.h"

namespace mld::ops {

// x has the dimensions that the layout names: "[N, H, W, C]", or "[..., C]" for one or more.
inline void check_rank(const char* op, const char* name, const Tensor& x, std::string_view layout) {
  const auto commas = std::count(layout.begin(), layout.end(), ',');
  const int rank = x.shape().rank();
  require(layout.starts_with("[...") ? rank >= commas : rank == commas + 1,
          "{}: {} must be {}, got {}", op, name, layout, x.shape());
}

// x is float32 or bfloat16, has elements and, if a layout is given, its dimensions.
inline void check_values(const char* op, const char* name, const Tensor& x,
                         std::string_view layout = {}) {
  require(x.defined(), "{}: {} is undefined", op, name);
  require(is_float(x.dtype()), "{}: {} must be float32 or bfloat16, got {}", op, name,
          name_of(x.dtype()));
  require(x.numel() > 0, "{}: {} must not be empty, got shape {}", op, name, x.shape());
  if (!layout.empty()) {
    check_rank(op, name, x, layout);
  }
}

// `name` is on x's device.
inline void check_device(const char* op, const Tensor& x, const char* name, const Tensor& other) {
  require(x.device() == other.device(), "{}: x and {} must be on one device, got {} and {}", op,
          name, x.device().str(), other.device().str());
}

// `name` is a second operand for x: values of the same dtype on the same device.
inline void check_operand(const char* op, const Tensor& x, const char* name, const Tensor& other) {
  check_values(op, name, other);
  require(x.dtype() == other.dtype(), "{}: x is {}, so {} must be too, got {} (use cast)", op,
          name_of(x.dtype()), name, name_of(other.dtype()));
  check_device(op, x, name, other);
}

// `name` is float32 of this shape on x's device: a bias, a norm's scale, logits.
inline void check_f32(const char* op, const Tensor& x, const char* name, const Tensor& other,
                      const Shape& shape) {
  require(other.defined(), "{}: {} is undefined", op, name);
  require(other.dtype() == DType::f32, "{}: {} must be float32, got {}", op, name,
          name_of(other.dtype()));
  require(other.shape() == shape, "{}: x is {}, so {} must be {}, got {}", op, x.shape(), name,
          shape, other.shape());
  check_device(op, x, name, other);
}

// p is a probability below one.
inline void check_dropout(const char* op, float p) {
  require(0 <= p && p < 1, "{}: p must be in [0, 1), got {}", op, p);
}

// An op that zeroes parts of x with probability p and divides the rest by 1 - p: identity without a
// tape, or with p = 0. `kernel_of` gives the kernel of a device. Forward and backward are one map,
// whose parts are drawn again from its key, so nothing is stored.
template <class KernelOf>
Var drop_parts(const char* op, const Var& x, float p, KernelOf kernel_of) {
  check_values(op, "x", x.value);
  check_dropout(op, p);
  DropoutSpec spec{.p = p};
  if (x.tape == nullptr || !spec.active()) {
    return x;
  }
  spec.key = x.tape->next_random();
  spec.step = x.tape->random_step();
  Tensor y = x.value.like();
  kernel_of(x.device())(x.value, spec, y);
  return record(op, y, {x}, [spec, kernel_of](const Tensor& dy) -> Grads {
    Tensor dx = dy.like();
    kernel_of(dy.device())(dy, spec, dx);
    return {dx};
  });
}

// The derivative is read off the activation's output, which needs a slope >= 0.
inline void check_fused_activation(const char* op, const ActivationSpec& act) {
  require(act.kind == Act::identity || act.kind == Act::relu || act.kind == Act::leaky_relu ||
              act.kind == Act::relu6,
          "{}: the activation must be identity, relu, leaky_relu or relu6", op);
  require(act.kind != Act::leaky_relu || act.slope >= 0,
          "{}: the slope of leaky_relu must not be negative, got {}", op, act.slope);
}

// Logits, targets and weights, if any, are float32 [N, K] on one device.
inline void check_loss(const char* op, const Var& logits, const Tensor& targets,
                       const Tensor& weights = {}) {
  check_values(op, "logits", logits.value, "[N, K]");
  require(logits.dtype() == DType::f32, "{}: logits must be float32, got {} (use cast)", op,
          name_of(logits.dtype()));
  require(targets.defined() && targets.dtype() == DType::f32 &&
              targets.shape() == logits.shape() && targets.device() == logits.device(),
          "{}: logits are {} on {}, so targets must be float32 of that shape on that device, got "
          "{} {} on {}", op, logits.shape(), logits.device().str(), name_of(targets.dtype()),
          targets.shape(), targets.device().str());
  if (weights.defined()) {
    require(weights.dtype() == DType::f32 && weights.shape() == logits.shape() &&
                weights.device() == logits.device(),
            "{}: logits are {} on {}, so weights must be float32 of that shape on that device, got "
            "{} {} on {}", op, logits.shape(), logits.device().str(), name_of(weights.dtype()),
            weights.shape(), weights.device().str());
  }
}

// Checks x and the window, and returns y's shape. Padding beyond half a window would let a window
// lie in padding alone, where neither a maximum nor a mean exists.
inline Shape pooled_shape(const char* op, const Tensor& x, const PoolSpec& spec) {
  check_values(op, "x", x, "[N, H, W, C]");
  require(spec.kernel >= 1 && spec.stride >= 1,
          "{}: kernel and stride must be positive, got {} and {}", op, spec.kernel, spec.stride);
  require(spec.pad >= 0 && 2 * spec.pad <= spec.kernel,
          "{}: pad must be between 0 and half the kernel ({}), got {}", op, spec.kernel, spec.pad);
  const int64_t H = x.shape()[1], W = x.shape()[2];
  require(std::min(H, W) + 2 * spec.pad >= spec.kernel,
          "{}: x is {}, with pad {} it is smaller than the {} x {} window", op, x.shape(), spec.pad,
          spec.kernel, spec.kernel);
  return {x.shape()[0], spec.out(H), spec.out(W), x.shape()[3]};
}

// The matrix view [M, C] of x [..., C].
inline Tensor as_matrix(const Tensor& x) {
  const int64_t C = x.shape()[-1];
  return x.reshape({x.numel() / C, C});
}

// A tensor worth saving for backward only if `wanted`.
inline Tensor kept_if(bool wanted, const Tensor& x) { return wanted ? x : Tensor{}; }

// The gradient of a bias: float32 sums over all but the last dimension.   dy [..., O] -> [O]
inline Tensor bias_gradient(const Tensor& dy) {
  Tensor db({dy.shape()[-1]}, DType::f32, dy.device());
  KERNEL(dy.device(), sum_rows)(as_matrix(dy), db);
  return db;
}

}  // namespace mld::ops
