// Shape: at most five dimensions, row-major, 64-bit.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include <fmt/core.h>

#include "core/error.h"

namespace mld {

class Shape {
 public:
  static constexpr int kMaxDims = 5;
  static constexpr int64_t kMaxElements = int64_t{1} << 56;  // bytes stay far below 2^63

  Shape() = default;  // zero dimensions: one element, a scalar
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  // Errors: more than five dimensions, a negative one, or kMaxElements or more in all.
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  // Dimension i; negative i counts from the end, so shape[-1] is the fastest-moving one.
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(i < 0 ? i + rank_ : i)]; }
  int64_t numel() const { return numel_; }
  // Elements per step of the first dimension (1 for a vector).
  int64_t row() const { return rank_ == 0 || dims_[0] == 0 ? 1 : numel_ / dims_[0]; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  // The same but for dimension i; negative i counts from the end.
  Shape with(int i, int64_t dim) const;
  std::string str() const;  // "[2, 80, 768]"

  bool operator==(const Shape& other) const {
    return rank_ == other.rank_ && dims_ == other.dims_;
  }

 private:
  std::array<int64_t, kMaxDims> dims_{};
  int rank_ = 0;
  int64_t numel_ = 1;
};

}  // namespace mld

template <>
struct fmt::formatter<mld::Shape> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  fmt::format_context::iterator format(const mld::Shape& shape, fmt::format_context& context) const;
};
