#include "models/pretrained.h"

#include <array>
#include <set>

namespace mld {

namespace {

// timm keeps these directly under the head, the ML-Decoder repository under "decoder.".
constexpr std::array<std::string_view, 4> kMovedByTimm{
    "embed_standart.", "query_embed.", "duplicate_pooling", "wordvec_proj."};

bool under(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && name.size() > prefix.size() && name[prefix.size()] == '.';
}

}  // namespace

InitPolicy parse_init_policy(const std::string& name) {
  if (name == "strict") return InitPolicy::strict;
  if (name == "backbone") return InitPolicy::backbone;
  if (name == "matching") return InitPolicy::matching;
  fail<UsageError>("model.init_policy: unknown policy \"{}\"; known are strict, backbone, matching",
                   name);
}

std::string our_name(const std::string& published) {
  std::string name = published;
  constexpr std::string_view kParallel = "module.";
  if (name.starts_with(kParallel)) {
    name.erase(0, kParallel.size());
  }
  if (name.ends_with(".filt")) {
    return {};
  }
  for (const std::string_view head : {"fc.", "head."}) {
    for (const std::string_view moved : kMovedByTimm) {
      if (name.starts_with(std::string(head) + std::string(moved))) {
        return name.insert(head.size(), "decoder.");
      }
    }
  }
  return name;
}

LoadReport load_pretrained(Classifier& model, std::span<const StateView> state, InitPolicy policy) {
  std::vector<StateView> ours;
  std::set<std::string> seen;
  for (const StateView& view : state) {
    std::string name = our_name(view.name);
    if (name.empty() || (policy == InitPolicy::backbone && under(name, model.head_name))) {
      continue;
    }
    require<DataError>(seen.insert(name).second,
                       "pretrained weights: two entries mean {}; keep one of them", name);
    ours.push_back({std::move(name), view.shape, view.dtype, view.data});
  }
  if (policy == InitPolicy::strict) {
    return load_state(model, ours);
  }
  if (policy == InitPolicy::backbone) {
    LoadReport report = load_state(*model.backbone, ours);
    for (const auto& [name, p] : parameters(*model.head)) {
      report.missing.push_back(model.head_name + "." + name);
    }
    return report;
  }
  const LoadReport report = load_state(model, ours, LoadPolicy::matching);
  require<DataError>(report.unexpected.size() + report.mismatched.size() < ours.size(),
                     "pretrained weights: none of the file's {} tensors fits the model; is it a "
                     "{}?", ours.size(), model.spec.backbone);
  return report;
}

LoadReport load_pretrained(Classifier& model, const StateDict& state, InitPolicy policy) {
  std::vector<StateView> views;
  for (const auto& [name, tensor] : state) {
    views.push_back({name, tensor.shape(), tensor.dtype(), tensor.raw()});
  }
  return load_pretrained(model, views, policy);
}

}  // namespace mld
