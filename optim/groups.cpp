#include "optim/groups.h"

#include "core/kernels.h"

namespace mld {

std::vector<TrainedParameter> decay_groups(Module& model, float weight_decay) {
  std::vector<TrainedParameter> trained;
  for (const auto& [name, p] : parameters(model)) {
    if (p->trainable) {
      const bool decayed = p->shape.rank() != 1 && !name.ends_with(".bias");
      trained.push_back({name, p, decayed ? weight_decay : 0.0f});
    }
  }
  return trained;
}

namespace {

std::vector<Tensor> gradients(const std::vector<TrainedParameter>& trained) {
  std::vector<Tensor> all;
  for (const TrainedParameter& t : trained) {
    if (t.parameter->grad.defined()) {
      all.push_back(t.parameter->grad);
    }
  }
  return all;
}

}  // namespace

Tensor gradient_norm(const std::vector<TrainedParameter>& trained) {
  const std::vector<Tensor> all = gradients(trained);
  if (all.empty()) {
    const Device device = trained.empty() ? Device{} : trained[0].parameter->value.device();
    return Tensor::zeros({1}, DType::f32, device);
  }
  Tensor norm({1}, DType::f32, all.front().device());
  KERNEL(norm.device(), global_norm)(all, norm);
  return norm;
}

Tensor clip_gradients(const std::vector<TrainedParameter>& trained, float max_norm) {
  const Tensor norm = gradient_norm(trained);
  KERNEL(norm.device(), clip_all)(gradients(trained), norm, max_norm);  // no gradients: no-op
  return norm;
}

}  // namespace mld
