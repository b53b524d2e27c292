// Tensor: a value holding a shared, contiguous, row-major buffer with a shape, a dtype, a device.
//
// Copying a Tensor shares the buffer (like a shared_ptr). Views are reshape() and rows() only:
// no strides, no broadcasting, no in-place operations except the optimisers' and fills.
// Pictures are [N, H, W, C]; convolution weights [O, KH, KW, C/groups].
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "core/device.h"
#include "core/dtype.h"
#include "core/shape.h"

namespace mld {

// The memory behind tensors, returned to its pool when the last tensor lets go.
class Storage {
 public:
  Storage(size_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  // Note [Packed weights]. A kernel may want a weight in another layout. For a weight declared
  // constant (inference) it keeps the packed copy here, so packing happens once per model and the
  // copy dies with the weight. For any other tensor it must pack on every call.
  bool constant = false;
  std::shared_ptr<void> packed;

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  Device device_;
};

class Tensor {
 public:
  Tensor() = default;  // undefined: no storage; defined() is false
  // Uninitialised elements. Errors: OutOfMemory.
  explicit Tensor(const Shape& shape, DType dtype = DType::f32, Device device = {});

  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = {});
  static Tensor full(const Shape& shape, float value, DType dtype = DType::f32, Device device = {});
  // A float32 tensor on the CPU with these elements, row-major. Errors: count and shape disagree.
  static Tensor from(const Shape& shape, std::span<const float> values);

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device{}; }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype_); }

  // A new uninitialised tensor of the same shape, dtype and device.
  Tensor like() const { return Tensor(shape_, dtype_, device()); }
  // The same elements under another shape. Errors: a different number of elements.
  Tensor reshape(const Shape& shape) const;
  // Rows [begin, end) of the first dimension, sharing memory.
  Tensor rows(int64_t begin, int64_t end) const;
  // A deep copy on the same device.
  Tensor clone() const;
  // This tensor on a device: itself if it is there already, else a copy.
  Tensor to(Device device) const;

  // Typed access. T must be the dtype's C++ type (float, bf16, int32_t, uint8_t, int64_t).
  // As with a pointer, the elements of a const Tensor may be written.
  template <class T>
  T* data() const {
    require(dtype_of<T> == dtype_, "tensor: {} elements read as {}", name_of(dtype_),
            name_of(dtype_of<T>));
    return static_cast<T*>(raw());
  }
  void* raw() const {
    return storage_ ? static_cast<char*>(storage_->data()) + offset_ : nullptr;
  }
  // The elements as host floats (from any dtype and device): for tests and printing.
  std::vector<float> to_vector() const;
  // The single element of a one-element float32 tensor, copied to the host.
  float item() const;

  Storage* storage() const { return storage_.get(); }
  // Whether another Tensor holds the same memory (or a part of it).
  bool shares_memory() const { return storage_.use_count() > 1; }

 private:
  std::shared_ptr<Storage> storage_;
  size_t offset_ = 0;  // bytes into the storage (rows())
  Shape shape_;
  DType dtype_ = DType::f32;
};

}  // namespace mld
