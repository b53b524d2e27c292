// Array: a shape and float64 values, row-major. The specification (spec.h) is written with it.
#pragma once

#include <vector>

#include "core/shape.h"

namespace mld::spec {

struct Array {
  Shape shape;
  std::vector<double> values;

  Array() = default;
  explicit Array(const Shape& shape_, double value = 0)
      : shape(shape_), values(static_cast<size_t>(shape_.numel()), value) {}

  int64_t numel() const { return shape.numel(); }
  int64_t dim(int i) const { return shape[i]; }  // negative i counts from the end

  // By position in memory, and by one index per dimension: x(n, h, w, c).
  double& operator[](int64_t i) { return values[static_cast<size_t>(i)]; }
  double operator[](int64_t i) const { return values[static_cast<size_t>(i)]; }
  template <class... Index>
  double& operator()(Index... index) {
    return (*this)[offset({static_cast<int64_t>(index)...})];
  }
  template <class... Index>
  double operator()(Index... index) const {
    return (*this)[offset({static_cast<int64_t>(index)...})];
  }

 private:
  // Errors: as many indices as dimensions, each in range (a specification must not read out of
  // bounds).
  int64_t offset(std::initializer_list<int64_t> index) const {
    require(static_cast<int>(index.size()) == shape.rank(), "array: {} indices into {}",
            index.size(), shape);
    int64_t at = 0;
    int d = 0;
    for (const int64_t i : index) {
      require(0 <= i && i < shape[d], "array: index {} is {} in {}", d, i, shape);
      at = at * shape[d++] + i;
    }
    return at;
  }
};

using Arrays = std::vector<Array>;

}  // namespace mld::spec
