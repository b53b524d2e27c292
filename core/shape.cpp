#include "core/shape.h"

#include <algorithm>

namespace mld {

Shape::Shape(std::span<const int64_t> dims) {
  require(dims.size() <= kMaxDims, "shape: at most {} dimensions, got {}", kMaxDims, dims.size());
  for (const int64_t dim : dims) {
    require(dim >= 0, "shape: dimension {} must not be negative, got {}", rank_, dim);
    dims_[static_cast<size_t>(rank_++)] = dim;
    int64_t product = 0;
    const bool overflow = __builtin_mul_overflow(numel_, dim, &product);
    require(!overflow && product < kMaxElements, "shape: too many elements (the limit is {})",
            kMaxElements);
    numel_ = product;
  }
}

Shape Shape::with(int i, int64_t dim) const {
  std::array<int64_t, kMaxDims> dims = dims_;
  dims[static_cast<size_t>(i < 0 ? i + rank_ : i)] = dim;
  return Shape(std::span<const int64_t>(dims.data(), static_cast<size_t>(rank_)));
}

std::string Shape::str() const {
  std::string text = "[";
  for (int i = 0; i < rank_; ++i) {
    text += (i ? ", " : "") + std::to_string((*this)[i]);
  }
  return text + "]";
}

}  // namespace mld

fmt::format_context::iterator fmt::formatter<mld::Shape>::format(
    const mld::Shape& shape, fmt::format_context& context) const {
  const std::string text = shape.str();
  return std::copy(text.begin(), text.end(), context.out());
}
