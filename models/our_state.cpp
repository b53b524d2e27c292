#include "models/our_state.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace mld {

namespace {

using OurNames = std::unordered_map<std::string, std::pair<std::string, Transform>>;

// Their name -> ours.
OurNames names_under(const NamingScheme& scheme, std::span<const std::string> ours) {
  const std::vector<ForeignName> theirs = foreign_names(scheme, ours);
  OurNames names;
  for (size_t i = 0; i < ours.size(); ++i) {
    names.emplace(theirs[i].name, std::pair(ours[i], theirs[i].transform));
  }
  return names;
}

// The prefix that programs give the names of a model they wrap ("module.", "model.", "_orig_mod.",
// "backbone.", "state_dict.model."): the one ending in a dot without which most of the file's names
// are known; and how many are.
std::pair<std::string, size_t> wrapper_prefix(const OurNames& known,
                                              std::span<const StateView> state) {
  constexpr size_t kDeepest = 4;  // dots
  std::map<std::string, size_t> fitting;
  for (const StateView& view : state) {
    size_t start = 0;
    for (size_t dots = 0; dots <= kDeepest && start != std::string::npos; ++dots) {
      if (known.contains(view.name.substr(start))) {
        ++fitting[view.name.substr(0, start)];
      }
      const size_t dot = view.name.find('.', start);
      start = dot == std::string::npos ? dot : dot + 1;
    }
  }
  const auto best = std::max_element(  // the first, hence shortest, of equals
      fitting.begin(), fitting.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  if (best == fitting.end()) {
    return {};
  }
  return *best;
}

}  // namespace

OurState under_our_names(Module& model, std::string_view backbone,
                         std::span<const StateView> state) {
  std::vector<std::string> ours;
  for (const auto& [name, tensor] : state_tensors(model)) {
    ours.push_back(name);
  }
  OurState best;
  OurNames names;
  size_t most = 0;
  for (const NamingScheme* scheme : schemes_of(backbone)) {
    OurNames known = names_under(*scheme, ours);
    auto [prefix, found] = wrapper_prefix(known, state);
    if (found > most || names.empty()) {
      most = found;
      best.naming = scheme->name;
      best.prefix = std::move(prefix);
      names = std::move(known);
    }
  }
  for (const StateView& view : state) {
    if (is_constant(view.name)) {
      continue;
    }
    const bool wrapped = view.name.starts_with(best.prefix);
    std::string name = wrapped ? view.name.substr(best.prefix.size()) : view.name;
    const auto known = names.find(name);
    if (known == names.end() && backbone.starts_with("clip") && is_other_part_of_clip(name)) {
      continue;
    }
    best.transforms.push_back(known == names.end() ? Transform::none : known->second.second);
    best.views.push_back({known == names.end() ? std::move(name) : known->second.first, view.shape,
                          view.dtype, view.data});
  }
  return best;
}

}  // namespace mld
