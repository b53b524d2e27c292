#include "optim/optimizer.h"

#include <cstring>
#include <unordered_map>

#include "core/kernels.h"

namespace mld {

Optimizer::Optimizer(const OptimizerSpec& spec, std::vector<TrainedParameter> trained, float beta2)
    : beta2_(beta2), trained_(std::move(trained)), names_(optimizer_row(spec).moments),
      moments_(names_.size()) {
  for (const TrainedParameter& t : trained_) {
    const Tensor& value = t.parameter->value;
    require(value.defined(), "optimizer: {} has no value yet; initialize() or load_state() first",
            t.name);
    for (auto& moment : moments_) {
      moment.push_back(Tensor::zeros(value.shape(), DType::f32, value.device()));
    }
  }
}

Tensor Optimizer::prepare(const Rates& rates) {
  return StepRates::at(++steps_, static_cast<float>(rates.lr), static_cast<float>(rates.beta1),
                       beta2_).tensor();
}

Tensor Optimizer::gradient(size_t i) const {
  const Parameter& p = *trained_[i].parameter;
  return p.grad.defined() ? p.grad : Tensor::zeros(p.shape, DType::f32, p.value.device());
}

Device Optimizer::device() const {
  return trained_.empty() ? Device{} : trained_.front().parameter->value.device();
}

StateDict Optimizer::state() const {
  Tensor step(Shape{1}, DType::i64);
  step.data<int64_t>()[0] = steps_;
  StateDict state{{"step", step}};
  for (size_t m = 0; m < names_.size(); ++m) {
    for (size_t i = 0; i < trained_.size(); ++i) {
      Tensor copy = moments_[m][i].to(Device{});
      copy = device().is_cpu() ? copy.clone() : copy;
      state.emplace_back(fmt::format("{}.{}", names_[m], trained_[i].name), copy);
    }
  }
  return state;
}

void Optimizer::load_state(const StateDict& state) {
  std::unordered_map<std::string_view, const Tensor*> entries;
  for (const auto& [name, tensor] : state) {
    entries.emplace(name, &tensor);
  }
  const auto take = [&entries](const std::string& name, const Shape& shape, DType dtype) {
    const auto found = entries.find(name);
    require<DataError>(found != entries.end(), "optimizer state: {} is missing", name);
    const Tensor& tensor = *found->second;
    require<DataError>(tensor.shape() == shape && tensor.dtype() == dtype,
                       "optimizer state: {} is {} {}, expected {} {}", name,
                       name_of(tensor.dtype()), tensor.shape(), name_of(dtype), shape);
    entries.erase(found);
    return tensor;
  };
  std::vector<std::vector<Tensor>> moments(names_.size());
  const Tensor step = take("step", Shape{1}, DType::i64);
  for (size_t m = 0; m < names_.size(); ++m) {
    for (const TrainedParameter& t : trained_) {
      const Tensor saved =
          take(fmt::format("{}.{}", names_[m], t.name), t.parameter->shape, DType::f32);
      moments[m].push_back(device().is_cpu() ? saved.clone() : saved.to(device()));
    }
  }
  require<DataError>(entries.empty(), "optimizer state: unexpected entry {}; was it saved by "
                     "another optimiser?", entries.empty() ? "" : entries.begin()->first);
  steps_ = step.data<int64_t>()[0];
  moments_ = std::move(moments);
}

}  // namespace mld
