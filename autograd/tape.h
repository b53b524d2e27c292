// The tape: reverse-mode differentiation as a vector of closures run from the end.
//
// Var = a tensor plus its place on a tape. An op computes its value, then record()s how a gradient
// flows back. Without a tape nothing is recorded: inference is the same code, and there are no
// global modes. Slot numbers grow with time, so reverse creation order is a valid backward order.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "core/random.h"
#include "core/tensor.h"

namespace mld {

class Tape;

struct Var {
  Tensor value;
  Tape* tape = nullptr;  // nullptr: nothing is recorded
  int slot = -1;         // -1: a constant, gradients stop here

  Var() = default;
  explicit Var(Tensor value_) : value(std::move(value_)) {}
  Var(Tensor value_, Tape* tape_, int slot_)
      : value(std::move(value_)), tape(tape_), slot(slot_) {}

  bool needs_grad() const { return slot >= 0; }
  const Shape& shape() const { return value.shape(); }
  DType dtype() const { return value.dtype(); }
  Device device() const { return value.device(); }
};

// One gradient per input of the op, in the inputs' order; undefined where none is wanted.
using Grads = std::vector<Tensor>;
using Backward = std::function<Grads(const Tensor& dy)>;

class Tape {
 public:
  // `key` (seed and step) determines every random number drawn while recording. `step`, if
  // defined, replaces key.step: int64 [1] on the ops' device, read when they run.
  explicit Tape(RandomKey key = {}, Tensor step = {}) : key_(key), step_(std::move(step)) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A value that takes part without a gradient (pictures, labels).
  Var constant(Tensor value) { return Var(std::move(value), this, -1); }
  // A value whose gradient is wanted; read it with grad() after backward().
  Var variable(Tensor value);
  // A parameter: backward() adds its gradient to *sink (an undefined *sink counts as zero).
  // The same sink gives the same Var, so shared parameters sum their gradients.
  Var parameter(const Tensor& value, Tensor* sink);

  // Runs the tape backwards from y with dy = dL/dy (1 if omitted; y must then be a scalar loss).
  // Each node's captures are freed as soon as it has run; a tape runs backward once.
  // Errors: y is not on this tape or needs no gradient, dy does not fit y, a second call, or an op
  // whose gradient differs from its input in shape, dtype or device.
  void backward(const Var& y, Tensor dy = {});

  // The gradient of a variable(); zeros if y did not depend on it.
  Tensor grad(const Var& variable) const;

  // The key of the next op that draws random numbers: same seed and step, a stream of its own.
  // Errors: more than kStreams draws on one tape.
  RandomKey next_random();
  const Tensor& random_step() const { return step_; }

  size_t size() const { return nodes_.size(); }

 private:
  friend Var record(const char*, Tensor, std::initializer_list<Var>, Backward);

  // Streams below this belong to data and initialisation.
  static constexpr uint32_t kFirstStream = 1u << 16, kStreams = (1u << 24) - kFirstStream;

  struct Node {
    const char* op;
    Shape shape;
    DType dtype;
    Device device;
    std::vector<int> inputs{};  // slots; -1 for constants
    Backward backward{};        // empty for variables and parameters
    Tensor grad{};
    Tensor* sink = nullptr;  // parameters
    bool keep = false;       // variables
  };

  int add_node(const char* op, const Tensor& value);
  void accumulate(Node& node, const char* from, Tensor grad);

  RandomKey key_;
  Tensor step_;
  uint32_t streams_ = 0;
  std::vector<Node> nodes_;
  std::unordered_map<Tensor*, int> parameters_;
  bool done_ = false;
};

// The end of every op: wraps y, and if an input is on a tape and needs a gradient, puts the closure
// on it. The closure's capture list is the save list: tensors and scalars by name, never a Var.
Var record(const char* op, Tensor y, std::initializer_list<Var> inputs, Backward backward);

}  // namespace mld
