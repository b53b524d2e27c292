#include "autograd/tape.h"

#include "core/kernels.h"

namespace mld {

int Tape::add_node(const char* op, const Tensor& value) {
  nodes_.push_back(
      {.op = op, .shape = value.shape(), .dtype = value.dtype(), .device = value.device()});
  return static_cast<int>(nodes_.size()) - 1;
}

Var Tape::variable(Tensor value) {
  const int slot = add_node("variable", value);
  nodes_.back().keep = true;
  return Var(std::move(value), this, slot);
}

Var Tape::parameter(const Tensor& value, Tensor* sink) {
  const auto [found, inserted] = parameters_.try_emplace(sink, 0);
  if (inserted) {
    found->second = add_node("parameter", value);
    nodes_.back().sink = sink;
  }
  return Var(value, this, found->second);
}

RandomKey Tape::next_random() {
  require(streams_ < kStreams, "tape: more than {} ops draw random numbers", kStreams);
  return {key_.seed, key_.step, kFirstStream + streams_++};
}

Var record(const char* op, Tensor y, std::initializer_list<Var> inputs, Backward backward) {
  Tape* tape = nullptr;
  bool needs_grad = false;
  for (const Var& input : inputs) {
    if (input.tape != nullptr) {
      require(tape == nullptr || tape == input.tape, "{}: inputs are on different tapes", op);
      tape = input.tape;
    }
    needs_grad = needs_grad || input.needs_grad();
  }
  if (!needs_grad) {
    return Var(std::move(y), tape, -1);
  }
  const int slot = tape->add_node(op, y);
  Tape::Node& node = tape->nodes_.back();
  for (const Var& input : inputs) {
    node.inputs.push_back(input.slot);
  }
  node.backward = std::move(backward);
  return Var(std::move(y), tape, slot);
}

// Gradients may share memory with each other (an addition hands dy to both sides), so a sum always
// goes to fresh memory and no tensor in use is overwritten.
static Tensor sum(const Tensor& a, const Tensor& b) {
  Tensor y = a.like();
  KERNEL(a.device(), add)(a, b, y);
  return y;
}

void Tape::accumulate(Node& node, const char* from, Tensor grad) {
  require(grad.shape() == node.shape && grad.dtype() == node.dtype && grad.device() == node.device,
          "{}: the gradient for {} is {} {} on {}, but its value is {} {} on {}", from, node.op,
          name_of(grad.dtype()), grad.shape(), grad.device().str(), name_of(node.dtype), node.shape,
          node.device.str());
  node.grad = node.grad.defined() ? sum(node.grad, grad) : std::move(grad);
}

// Gradient clipping scales a parameter's gradient in place, so it must own its memory.
static void collect(Tensor grad, Tensor& sink) {
  if (sink.defined()) {
    sink = sum(sink, grad);
  } else {
    sink = grad.shares_memory() ? grad.clone() : std::move(grad);
  }
}

void Tape::backward(const Var& y, Tensor dy) {
  require(!done_, "backward: a tape runs only once; record the step on a new one");
  require(y.tape == this && y.needs_grad(), "backward: the value is not on this tape");
  if (!dy.defined()) {
    require(y.value.numel() == 1, "backward: y is {}, not a scalar, so it needs a dy", y.shape());
    dy = Tensor::full(y.shape(), 1.0f, y.dtype(), y.device());
  }
  accumulate(nodes_[static_cast<size_t>(y.slot)], "backward", std::move(dy));
  done_ = true;
  for (int slot = y.slot; slot >= 0; --slot) {
    Node& node = nodes_[static_cast<size_t>(slot)];
    if (!node.grad.defined() || node.keep) {
      node.backward = nullptr;
      continue;
    }
    Tensor grad = std::move(node.grad);
    node.grad = {};
    if (node.sink != nullptr) {
      collect(std::move(grad), *node.sink);
      continue;
    }
    Grads grads = node.backward(grad);
    node.backward = nullptr;  // frees what the op saved
    require(grads.size() == node.inputs.size(), "{}: {} inputs but {} gradients", node.op,
            node.inputs.size(), grads.size());
    for (size_t i = 0; i < grads.size(); ++i) {
      if (node.inputs[i] >= 0 && grads[i].defined()) {
        accumulate(nodes_[static_cast<size_t>(node.inputs[i])], node.op, std::move(grads[i]));
      }
    }
  }
}

Tensor Tape::grad(const Var& variable) const {
  require(variable.tape == this && variable.needs_grad(), "grad: the value is not on this tape");
  const Node& node = nodes_[static_cast<size_t>(variable.slot)];
  require(node.keep, "grad: only a variable() keeps its gradient, this is the output of {}",
          node.op);
  return node.grad.defined() ? node.grad : Tensor::zeros(node.shape, node.dtype, node.device);
}

}  // namespace mld
