// The meta backend: tensors with a shape, a dtype and counted memory, but no values; kernels that
// compute nothing and report what they would cost. Running a model, or a whole training step, on
// kMeta gives its shapes, multiply-accumulates and memory, exactly and in milliseconds.
//
// Memory is counted by a pool of the usual class, whose addresses must not be read.
// A kernel's temporary memory on the CPU counts too (core/meta/cost.h); a GPU's workspaces do not.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/tensor.h"

namespace mld::meta {

// One kernel call.
struct Call {
  const char* kernel;  // as on the contract page
  std::vector<const Tensor*> inputs, outputs;  // those that are defined, in the page's order
  // Multiply-accumulates as the literature counts them (spec/backbones.md 6): norms, activations,
  // pooling and fixed filters are free.
  int64_t macs = 0;
  size_t bytes = 0;  // read and written: all tensors once
};

// Counts what runs on meta from its construction on; tensors that existed before do not count. Only
// one at a time.
class Meter {
 public:
  // `counted_as`: the device whose kernels' temporary memory is counted.
  explicit Meter(Device counted_as = {});
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  // Called for every kernel call from now on.
  using Observer = std::function<void(const Call&)>;
  void observe(Observer observer);

  int64_t macs() const;
  size_t bytes() const;  // moved
  size_t peak() const;   // of memory in use
  // What a pool that never gives anything back takes from the system: blocks in use and
  // blocks kept for reuse. At least peak().
  size_t held() const;

 private:
  size_t before_ = 0;
};

}  // namespace mld::meta
