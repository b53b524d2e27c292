#include "core/tensor.h"

#include <algorithm>
#include <cstring>

#include "core/kernels.h"
#include "core/memory.h"

namespace mld {

Storage::Storage(size_t bytes, Device device)
    : data_(memory_pool(device).allocate(bytes)), bytes_(bytes), device_(device) {}

Storage::~Storage() { memory_pool(device_).free(data_, bytes_); }

Tensor::Tensor(const Shape& shape, DType dtype, Device device)
    : storage_(std::make_shared<Storage>(static_cast<size_t>(shape.numel()) * size_of(dtype),
                                         device)),
      shape_(shape),
      dtype_(dtype) {}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  return full(shape, 0.0f, dtype, device);
}

Tensor Tensor::full(const Shape& shape, float value, DType dtype, Device device) {
  Tensor y(shape, dtype, device);
  KERNEL(device, fill)(value, y);
  return y;
}

Tensor Tensor::from(const Shape& shape, std::span<const float> values) {
  require(static_cast<size_t>(shape.numel()) == values.size(),
          "tensor: shape {} needs {} elements, got {}", shape, shape.numel(), values.size());
  Tensor y(shape);
  std::copy(values.begin(), values.end(), y.data<float>());
  return y;
}

Tensor Tensor::reshape(const Shape& shape) const {
  require(defined(), "reshape: the tensor is undefined, so it cannot become {}", shape);
  require(shape.numel() == numel(), "reshape: {} has {} elements, but {} has {}", shape_, numel(),
          shape, shape.numel());
  Tensor y = *this;
  y.shape_ = shape;
  return y;
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  require(shape_.rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0],
          "rows: [{}, {}) are not rows of a tensor of shape {}", begin, end, shape_);
  Tensor y = *this;
  y.offset_ += static_cast<size_t>(begin * shape_.row()) * size_of(dtype_);
  y.shape_ = shape_.with(0, end - begin);
  return y;
}

Tensor Tensor::clone() const {
  require(defined(), "clone: the tensor is undefined");
  Tensor y = like();
  KERNEL(device(), copy)(*this, y);
  return y;
}

Tensor Tensor::to(Device device) const {
  if (!defined() || device == this->device()) {
    return *this;
  }
  Tensor y(shape_, dtype_, device);
  KERNEL(device.is_cpu() ? this->device() : device, copy)(*this, y);
  return y;
}

namespace {

template <class T>
std::vector<float> as_floats(const Tensor& x) {
  const T* data = x.data<T>();
  std::vector<float> values(static_cast<size_t>(x.numel()));
  std::transform(data, data + x.numel(), values.begin(), [](T v) { return static_cast<float>(v); });
  return values;
}

}  // namespace

std::vector<float> Tensor::to_vector() const {
  require(defined(), "to_vector: the tensor is undefined");
  const Tensor host = to(Device{});
  switch (dtype_) {
    case DType::f32: return as_floats<float>(host);
    case DType::bf16: return as_floats<bf16>(host);
    case DType::i32: return as_floats<int32_t>(host);
    case DType::u8: return as_floats<uint8_t>(host);
    case DType::i64: return as_floats<int64_t>(host);
  }
  return {};
}

float Tensor::item() const {
  require(numel() == 1 && dtype_ == DType::f32, "item: needs one float32 element, got {} {}",
          name_of(dtype_), shape_);
  return to(Device{}).data<float>()[0];
}

}  // namespace mld
