// What the op files share: the checks every op starts with, and small pieces of backward passes.
// Every check throws Error, the op's name first; the messages are pinned by tests/errors_test.cpp.
#pragma once

#include <algorithm>
#include <string_view>

#include "autograd/tape.h"
#include "core/kernels.h"

namespace mld::ops {

// x is float32 or bfloat16 and has elements.
inline void check_values(const char* op, const char* name, const Tensor& x) {
  require(x.defined(), "{}: {} is undefined", op, name);
  require(is_float(x.dtype()), "{}: {} must be float32 or bfloat16, got {}", op, name,
          name_of(x.dtype()));
  require(x.numel() > 0, "{}: {} must not be empty, got shape {}", op, name, x.shape());
}

// The layout names the dimensions, as in "[N, H, W, C]".
inline void check_rank(const char* op, const char* name, const Tensor& x, std::string_view layout) {
  const auto rank = 1 + std::count(layout.begin(), layout.end(), ',');
  require(x.shape().rank() == rank, "{}: {} must be {}, got {}", op, name, layout, x.shape());
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

// The derivative is read off the sign of the activation's output, which needs a slope >= 0.
inline void check_sign_activation(const char* op, const ActivationSpec& act) {
  require(act.kind == Act::identity || act.kind == Act::relu || act.kind == Act::leaky_relu,
          "{}: the activation must be identity, relu or leaky_relu", op);
  require(act.kind != Act::leaky_relu || act.slope >= 0,
          "{}: the slope of leaky_relu must not be negative, got {}", op, act.slope);
}

// The matrix view [M, C] of x [..., C].
inline Tensor as_matrix(const Tensor& x) {
  const int64_t C = x.shape()[-1];
  return x.reshape({x.numel() / C, C});
}

// x's shape with another last dimension.
inline Shape with_last(const Shape& shape, int64_t last) {
  std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  dims.back() = last;
  return Shape(std::span<const int64_t>(dims));
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
