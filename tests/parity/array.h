// Array: a reference tensor in the fixture's (PyTorch's) layout, as doubles; conversions to ours.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace mld::parity {

struct Array {
  std::vector<int64_t> shape;  // any number of dimensions; none: a scalar
  std::vector<double> values;  // row-major

  int64_t numel() const { return static_cast<int64_t>(values.size()); }
};

// A reordering of dimensions: result dimension i is dimension order[i] of the source.
using Order = std::vector<int>;
inline const Order kToNhwc{0, 2, 3, 1};    // [N, C, H, W] -> [N, H, W, C], [O, I, KH, KW] -> OHWI
inline const Order kFromNhwc{0, 3, 1, 2};  // and back
inline const Order kSwapFirst{1, 0, 2};    // [T, N, D] <-> [N, T, D]

Array permute(const Array& x, const Order& order);
Array reshape(Array x, std::vector<int64_t> shape);

// The device the runner computes on: MLD_TEST_DEVICE or the CPU; the CPU while a Float64 lives.
Device device();
// A float32 tensor of the array on device(), its dimensions reordered first (an empty order: as
// they are). A scalar becomes [1].
Tensor to_tensor(const Array& x, const Order& order = {});
// The dtype of activations: float32 unless set (parity --dtype).
DType compute_dtype();
void set_compute_dtype(DType dtype);
// to_tensor() in the compute dtype: a model's input. Parameters stay float32.
Tensor to_values(const Array& x, const Order& order = {});
// A tensor of any dtype as an array, its dimensions reordered.
Array to_array(const Tensor& x, const Order& order = {});
Array scalar(const Tensor& x);  // a one-element tensor as a scalar

}  // namespace mld::parity
