#include "tests/parity/array.h"

#include <cstdlib>
#include <numeric>

#include "core/error.h"
#include "core/kernels.h"
#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

int64_t product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

Shape to_shape(const std::vector<int64_t>& dims) {
  if (dims.empty()) {
    return Shape{1};
  }
  return Shape(std::span<const int64_t>(dims));
}

template <class T>
void append(const Tensor& x, std::vector<double>& out) {
  const T* data = x.data<T>();
  out.assign(data, data + x.numel());
}

}  // namespace

Array permute(const Array& x, const Order& order) {
  const size_t rank = x.shape.size();
  require(order.size() == rank, "permute: {} dimensions, order of {}", rank, order.size());
  std::vector<int64_t> stride(rank, 1);
  for (size_t i = rank; i-- > 1;) {
    stride[i - 1] = stride[i] * x.shape[i];
  }
  Array y;
  std::vector<int64_t> step(rank);
  for (size_t i = 0; i < rank; ++i) {
    y.shape.push_back(x.shape[static_cast<size_t>(order[i])]);
    step[i] = stride[static_cast<size_t>(order[i])];
  }
  y.values.reserve(x.values.size());
  std::vector<int64_t> index(rank, 0);
  for (int64_t n = 0, at = 0; n < x.numel(); ++n) {
    y.values.push_back(x.values[static_cast<size_t>(at)]);
    for (size_t i = rank; i-- > 0;) {  // advance y's indices like an odometer
      at += step[i];
      if (++index[i] < y.shape[i]) {
        break;
      }
      at -= step[i] * y.shape[i];
      index[i] = 0;
    }
  }
  return y;
}

Array reshape(Array x, std::vector<int64_t> shape) {
  require(product(shape) == x.numel(), "reshape: {} elements do not fit", x.numel());
  x.shape = std::move(shape);
  return x;
}

Device device() {
  static const char* named = std::getenv("MLD_TEST_DEVICE");
  static const Device chosen = named != nullptr ? parse_device(named) : Device{};
  return Float64::active() ? Device{} : chosen;
}

Tensor to_tensor(const Array& x, const Order& order) {
  if (!order.empty()) {
    return to_tensor(permute(x, order));
  }
  Tensor y(to_shape(x.shape));
  float* data = y.data<float>();
  for (const double value : x.values) {
    *data++ = static_cast<float>(value);
  }
  return y.to(device());
}

static DType activations = DType::f32;
DType compute_dtype() { return activations; }
void set_compute_dtype(DType dtype) { activations = dtype; }

Tensor to_values(const Array& x, const Order& order) {
  const Tensor exact = to_tensor(x, order);
  if (activations == DType::f32) {
    return exact;
  }
  Tensor y(exact.shape(), activations, exact.device());
  KERNEL(exact.device(), cast)(exact, y);
  return y;
}

Array to_array(const Tensor& x, const Order& order) {
  Array y;
  for (int i = 0; i < x.shape().rank(); ++i) {
    y.shape.push_back(x.shape()[i]);
  }
  if (x.dtype() == DType::i64) {  // float would round counters beyond 2^24
    append<int64_t>(x.to(Device{}), y.values);
  } else if (x.dtype() == DType::f32 && x.device().is_cpu()) {
    y.values = read_doubles(x);  // float64's, if that is how it was computed
  } else {
    const std::vector<float> values = x.to_vector();
    y.values.assign(values.begin(), values.end());
  }
  return order.empty() ? y : permute(y, order);
}

Array scalar(const Tensor& x) { return reshape(to_array(x), {}); }

}  // namespace mld::parity
