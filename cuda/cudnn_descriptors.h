// Owned descriptors of cuDNN's graph interface, for cudnn.cpp and cudnn_operations.cpp.
#pragma once

#include <memory>
#include <source_location>
#include <span>
#include <vector>

#include "cuda/cudnn.h"

namespace mld::cuda {

inline void check(cudnnStatus_t status,
                  const std::source_location& where = std::source_location::current()) {
  if (status != CUDNN_STATUS_SUCCESS) [[unlikely]] {
    char reason[1024] = "";
    cudnnGetLastErrorString(reason, sizeof reason);
    fail("cuDNN: {} {} ({}:{})", cudnnGetErrorString(status), reason, where.file_name(),
         where.line());
  }
}

using Name = cudnnBackendAttributeName_t;
using Dims = std::vector<int64_t>;

// Identifies a graph's tensors when it runs.
enum Uid : int64_t { kX = 1, kW, kY, kBias, kResidual, kConv, kSum, kBiased };

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t raw = nullptr;
    check(cudnnBackendCreateDescriptor(type, &raw));
    owned_.reset(raw, [](void* p) { cudnnBackendDestroyDescriptor(p); });
  }
  cudnnBackendDescriptor_t get() const { return owned_.get(); }

  Descriptor& set(Name name, cudnnBackendAttributeType_t type, int64_t count, const void* values) {
    check(cudnnBackendSetAttribute(get(), name, type, count, values));
    return *this;
  }
  Descriptor& set(Name name, int64_t value) { return set(name, CUDNN_TYPE_INT64, 1, &value); }
  Descriptor& set(Name name, const Dims& values) {
    return set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.data());
  }
  Descriptor& set(Name name, float value) { return set(name, CUDNN_TYPE_FLOAT, 1, &value); }
  Descriptor& set(Name name, bool value) { return set(name, CUDNN_TYPE_BOOLEAN, 1, &value); }
  Descriptor& set(Name name, cudnnDataType_t value) {
    return set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  Descriptor& set(Name name, const Descriptor& value) {
    const cudnnBackendDescriptor_t raw = value.get();
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  }
  Descriptor& set(Name name, std::span<const Descriptor> values) {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const Descriptor& value : values) {
      raw.push_back(value.get());
    }
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(raw.size()), raw.data());
  }
  Descriptor& finalize() {
    check(cudnnBackendFinalize(get()));
    return *this;
  }
  int64_t integer(Name name) const {
    int64_t value = 0, count = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_INT64, 1, &count, &value));
    return value;
  }

 private:
  std::shared_ptr<void> owned_;
};

// The graph's operations in order: conv -> [+ residual] -> [+ bias] -> [relu].
std::vector<Descriptor> operations_of(const ConvGraph& graph);

}  // namespace mld::cuda
