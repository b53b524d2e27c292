#include "optim/groups.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/kernels.h"

namespace mld {

namespace {

// "layer1.0" of "layer1.0.conv1.weight": up to the numbers behind a list of blocks; "" if there are
// none.
std::string block_of(const std::string& name) {
  const auto is_number = [](const std::string& word) {
    return !word.empty() && std::ranges::all_of(word, [](char c) { return '0' <= c && c <= '9'; });
  };
  std::string block, word, before;
  std::istringstream words(name);
  bool inside = false;
  while (std::getline(words, word, '.')) {
    inside = inside || (is_number(word) && (before.starts_with("layer") ||
                                            before.ends_with("blocks")));
    if (inside && !is_number(word)) {
      return block;
    }
    block += block.empty() ? word : "." + word;
    before = word;
  }
  return "";
}

std::string first_word(const std::string& name) { return name.substr(0, name.find('.')); }

}  // namespace

std::vector<int64_t> layers_of(const std::vector<std::string>& names) {
  std::vector<int64_t> layers;
  std::string current;
  int64_t layer = 0;
  for (const std::string& name : names) {
    const std::string head = first_word(names.back());
    const std::string group = first_word(name) == head ? head : block_of(name);
    layer += !layers.empty() && group != current;
    layers.push_back(layer);
    current = group;
  }
  return layers;
}

std::vector<TrainedParameter> decay_groups(Module& model, double weight_decay,
                                           double layer_decay) {
  std::vector<std::string> names;
  for (const auto& [name, p] : parameters(model)) {
    names.push_back(name);
  }
  const std::vector<int64_t> layers = layers_of(names);
  std::vector<TrainedParameter> trained;
  for (size_t i = 0; const auto& [name, p] : parameters(model)) {
    const auto above = static_cast<double>(layers.back() - layers[i++]);
    if (p->trainable) {
      const bool decayed =
          p->decays && p->shape.rank() != 1 && !name.ends_with(".bias");
      trained.push_back({name, p, decayed ? static_cast<float>(weight_decay) : 0.0f,
                         static_cast<float>(std::pow(layer_decay, above))});
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
