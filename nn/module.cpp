#include "nn/module.h"

namespace mld {

std::string Visitor::path(std::string_view name) const {
  if (prefix_.empty() || name.empty()) {
    return prefix_ + std::string(name);
  }
  return prefix_ + "." + std::string(name);
}

void Visitor::operator()(std::string_view name, Parameter& p) { parameter(path(name), p); }
void Visitor::operator()(std::string_view name, Buffer& b) { buffer(path(name), b); }

void Visitor::operator()(std::string_view name, Module& child) {
  std::string outer = prefix_;
  prefix_ = path(name);
  child.each(*this);
  leave(prefix_, child);
  prefix_ = std::move(outer);
}

void Visitor::walk(Module& root, std::string_view prefix) {
  prefix_ = prefix;
  root.each(*this);
  leave(prefix_, root);
}

namespace {

struct Collect : Visitor {
  NamedParameters parameters;
  NamedBuffers buffers;
  std::vector<std::pair<std::string, StateTensor*>> all;
  explicit Collect(Module& model) { walk(model); }
  void parameter(const std::string& name, Parameter& p) override {
    parameters.emplace_back(name, &p);
    all.emplace_back(name, &p);
  }
  void buffer(const std::string& name, Buffer& b) override {
    buffers.emplace_back(name, &b);
    all.emplace_back(name, &b);
  }
};

// Calls a function on every module, children before parents.
template <class F>
void for_modules(Module& model, F f) {
  struct Call : Visitor {
    F f;
    explicit Call(F f_) : f(f_) {}
    void leave(const std::string& name, Module& module) override { f(name, module); }
  };
  Call(f).walk(model);
}

// FNV-1a, 64 bits: a name as a number.
uint64_t hash(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : text) {
    h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
  return h;
}

}  // namespace

// ---- functions over a model ---------------------------------------------------------------------

Var as_input(Parameter& p, const Var& x) {
  require(p.value.defined(),
          "as_input: a parameter of shape {} has no value; initialize() the model or load_state() "
          "first", p.shape);
  if (x.tape != nullptr && p.trainable) {
    return x.tape->parameter(p.value, &p.grad);
  }
  return Var(p.value, x.tape, -1);
}

NamedParameters parameters(Module& model) { return Collect(model).parameters; }
NamedBuffers buffers(Module& model) { return Collect(model).buffers; }
std::vector<std::pair<std::string, StateTensor*>> state_tensors(Module& model) {
  return Collect(model).all;
}

int64_t count_parameters(Module& model) {
  int64_t count = 0;
  for (const auto& [name, p] : parameters(model)) {
    count += p->shape.numel();
  }
  return count;
}

void initialize(Module& model, uint64_t seed) {
  constexpr uint32_t kInitStream = 1;  // see Tape::kFirstStream
  unfold_batch_norm(model);
  for_modules(model, [seed](const std::string& name, Module& module) {
    RandomStream random({seed, hash(name), kInitStream});
    module.reset(random);
  });
  for (const auto& [name, tensor] : state_tensors(model)) {
    require(tensor->value.defined(), "initialize: no module's reset() gives {} a value", name);
  }
  clear_gradients(model);
}

void unfold_batch_norm(Module& model) {
  for_modules(model, [](const std::string&, Module& module) {
    module.folds_norms = false;
    module.drop_derived();
  });
}

void set_training(Module& model, bool training) {
  unfold_batch_norm(model);
  for_modules(model, [training](const std::string&, Module& m) {
    m.training = training && !m.frozen;
  });
}

void freeze(Module& module) {
  for (const auto& [name, p] : parameters(module)) {
    p->trainable = false;
  }
  for_modules(module, [](const std::string&, Module& m) {
    m.frozen = true;
    m.training = false;
  });
}

bool freeze(Module& model, const std::string& name) {
  bool found = false;
  const auto belongs = [&name](const std::string& other) {
    return other == name || other.starts_with(name + ".");
  };
  for (const auto& [other, p] : parameters(model)) {
    p->trainable = p->trainable && !belongs(other);
    found = found || belongs(other);
  }
  for_modules(model, [&](const std::string& other, Module& m) {
    if (belongs(other)) {
      freeze(m);
    }
  });
  return found;
}

void fold_batch_norm(Module& model) {
  set_training(model, false);
  for_modules(model, [](const std::string&, Module& module) { module.folds_norms = true; });
}

void to(Module& model, Device device) {
  unfold_batch_norm(model);
  for (const auto& [name, t] : state_tensors(model)) {
    if (is_float(t->dtype)) {
      t->value = device.is_meta() ? Tensor(t->shape, t->dtype, device) : t->value.to(device);
    } else if (device.is_meta()) {
      t->value = Tensor::zeros(t->shape, t->dtype);
    }
  }
  for (const auto& [name, p] : parameters(model)) {
    p->grad = p->grad.to(device);
  }
}

void clear_gradients(Module& model) {
  for (const auto& [name, p] : parameters(model)) {
    p->grad = {};
  }
}

}  // namespace mld
