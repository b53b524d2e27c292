#include "models/pretrained.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace mld {

namespace {

// timm keeps these directly under the head, the ML-Decoder repository under "decoder.".
constexpr std::array<std::string_view, 4> kMovedByTimm{
    "embed_standart.", "query_embed.", "duplicate_pooling", "wordvec_proj."};

bool under(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && name.size() > prefix.size() && name[prefix.size()] == '.';
}

// The prefix that programs give the names of a model they wrap ("module.", "model.", "_orig_mod.",
// "backbone.", "state_dict.model."): the one ending in a dot without which most of the file's names
// are the model's. "" if they are already.
std::string wrapper_prefix(Module& model, std::span<const StateView> state) {
  constexpr size_t kDeepest = 4;  // dots
  const auto tensors = state_tensors(model);
  const std::map<std::string, StateTensor*> known(tensors.begin(), tensors.end());
  std::map<std::string, size_t> fitting;  // prefix -> how many names fit without it
  for (const StateView& view : state) {
    size_t start = 0;
    for (size_t dots = 0; dots <= kDeepest && start != std::string::npos; ++dots) {
      if (known.contains(our_name(view.name.substr(start)))) {
        ++fitting[view.name.substr(0, start)];
      }
      const size_t dot = view.name.find('.', start);
      start = dot == std::string::npos ? dot : dot + 1;
    }
  }
  const auto best = std::max_element(  // the first, hence shortest, of equals
      fitting.begin(), fitting.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  return best == fitting.end() ? "" : best->first;
}

}  // namespace

std::string our_name(const std::string& published) {
  std::string name = published;
  if (name.ends_with(".filt")) {
    return {};
  }
  for (const BackboneRow& backbone : backbones()) {
    for (const std::string_view moved : kMovedByTimm) {
      if (under(name, backbone.head_name) &&
          name.substr(backbone.head_name.size() + 1).starts_with(moved)) {
        return name.insert(backbone.head_name.size() + 1, "decoder.");
      }
    }
  }
  return name;
}

LoadReport load_pretrained(Classifier& model, std::span<const StateView> state, InitPolicy policy) {
  std::vector<StateView> ours;
  std::set<std::string> seen;
  const std::string prefix = wrapper_prefix(model, state);
  for (const StateView& view : state) {
    const bool wrapped = view.name.starts_with(prefix);
    std::string name = our_name(wrapped ? view.name.substr(prefix.size()) : view.name);
    if (name.empty() || (policy == InitPolicy::backbone && under(name, model.head_name))) {
      continue;
    }
    require<DataError>(seen.insert(name).second,
                       "pretrained weights: two tensors map to {}; remove one of them", name);
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
                     "pretrained weights: none of the file's {} tensors fits the model; is the "
                     "file for a {}?", ours.size(), model.spec.backbone);
  return report;
}

}  // namespace mld
