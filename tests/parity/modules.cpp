#include "tests/parity/modules.h"

#include <algorithm>

#include "core/error.h"

namespace mld::parity {
namespace {

bool is_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }

Order disk_order(const Parameter& parameter) {
  return parameter.layout == Parameter::Layout::conv ? kFromNhwc : Order{};
}

// Whether the reference has a gradient of the parameter, in whole or in samples.
bool has_gradient(const Fixture& fixture, const std::string& name) {
  const std::vector<std::string> keys = fixture.keys();
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
    return key.find("grad") != std::string::npos && key.ends_with("/" + name);
  });
}

// The stored or filled tensor `name`; `prefix` applies to stored ones.
Array named(Fixture& fixture, const std::string& prefix, const std::string& name) {
  if (fixture.has(prefix + name)) {
    return fixture.array(prefix + name);
  }
  require<DataError>(fixture.fill() != nullptr, "{}: no {}{}", fixture.name(), prefix, name);
  return fixture.fill()->make(name);
}

}  // namespace

void load_module(Fixture& fixture, Module& model, const std::string& parameters_prefix,
                 const std::string& buffers_prefix) {
  StateDict state;
  for (const auto& [name, parameter] : parameters(model)) {
    parameter->trainable = parameter->trainable || has_gradient(fixture, name);
    const Tensor value = to_tensor(named(fixture, parameters_prefix, name)).to(Device{});
    state.emplace_back(name, parameter->shape.rank() == 0 ? value.reshape({}) : value);
  }
  for (const auto& [name, buffer] : buffers(model)) {
    if (!is_counter(name)) {
      state.emplace_back(name, to_tensor(named(fixture, buffers_prefix, name)).to(Device{}));
      continue;
    }
    Tensor count = Tensor::zeros({}, DType::i64);
    if (const std::string key = buffers_prefix + name; fixture.has(key)) {
      *count.data<int64_t>() = static_cast<int64_t>(fixture.array(key).values.at(0));
    }
    state.emplace_back(name, count);
  }
  load_state(model, state);
  to(model, device());
  clear_gradients(model);
}

Array value_of(const Parameter& parameter) {
  return to_array(parameter.value, disk_order(parameter));
}

Array gradient_of(const Parameter& parameter) {
  const Tensor grad =
      parameter.grad.defined() ? parameter.grad : Tensor::zeros(parameter.shape);
  return to_array(grad, disk_order(parameter));
}

void compare_gradient(Fixture& fixture, const std::string& group, const std::string& name,
                      const Array& ours) {
  const std::string whole = group + "/" + name;
  if (fixture.has(whole)) {
    fixture.compare(whole, ours);
  } else {
    fixture.compare_samples(group, name, ours);
  }
}

void compare_gradients(Fixture& fixture, Module& model, const std::string& group) {
  for (const auto& [name, parameter] : parameters(model)) {
    if (parameter->trainable) {  // or frozen, if the reference has its gradient
      compare_gradient(fixture, group, name, gradient_of(*parameter));
    }
  }
}

void TensorTable::each(Visitor& v) {
  for (auto& [name, parameter] : parameters) {
    v(name, parameter);
  }
  for (auto& [name, buffer] : buffers) {
    v(name, buffer);
  }
}

}  // namespace mld::parity
