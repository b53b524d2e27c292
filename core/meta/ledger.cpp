#include "core/meta/ledger.h"

namespace mld::meta {

void Ledger::own(const Tensor& x, const std::string& owner, int64_t parameters) {
  owners_[x.storage()] = owner;
  parameters_[owner] += parameters;
}

void Ledger::add(const Call& call) {
  Line& line = line_of(call);
  line.macs += call.macs;
  for (const Tensor* y : call.outputs) {
    if (!owners_.contains(y->storage())) {
      line.out = y->shape();
      line.activations += y->bytes();
    }
  }
}

Line& Ledger::line_of(const Call& call) {
  for (const Tensor* x : call.inputs) {
    if (const auto owner = owners_.find(x->storage()); owner != owners_.end()) {
      const auto [place, is_new] = places_.try_emplace(owner->second, lines.size());
      if (is_new) {
        lines.push_back({.name = owner->second, .out = {},
                         .parameters = parameters_[owner->second]});
      }
      return lines[place->second];
    }
  }
  const std::string kernel = call.kernel;
  lines.push_back({.name = kernel.substr(0, kernel.find("_forward")), .out = {}});
  return lines.back();
}

Line total(const std::vector<Line>& lines, size_t begin, std::string_view name, const Shape& out) {
  Line sum{.name = std::string(name), .out = out};
  for (size_t i = begin; i < lines.size(); ++i) {
    sum.parameters += lines[i].parameters;
    sum.macs += lines[i].macs;
    sum.activations += lines[i].activations;
  }
  return sum;
}

}  // namespace mld::meta
