#include "models/residual.h"

#include <algorithm>

namespace mld {

Var ResidualBlock::join(Conv2d& conv, BatchNorm2d& bn, const Var& x, const ActivationSpec& act,
                        const Var& shortcut) const {
  return training && drop_rate > 0 ? join(conv_bn(conv, bn, x), act, shortcut)
                                   : conv_bn(conv, bn, x, act, shortcut);
}

Var ResidualBlock::join(const Var& branch, const ActivationSpec& act, const Var& shortcut) const {
  const Var kept = training ? drop_path(branch, static_cast<float>(drop_rate)) : branch;
  const Var sum = add(kept, shortcut);
  return act.kind == Act::identity ? sum : activation(sum, act);
}

Var Stages::operator()(Var x, const Tap& tap) {
  for (const auto& [name, blocks] : all) {
    for (const auto& block : blocks) {
      x = (*block)(x);
    }
    if (tap) {
      tap(name, x);
    }
  }
  return x;
}

void Stages::each(Visitor& v) {
  for (auto& [name, blocks] : all) {
    v(name, blocks);
  }
}

void set_drop_path(Backbone& backbone, double rate) {
  struct Collect : Visitor {
    std::vector<ResidualBlock*> blocks;
    void leave(const std::string&, Module& module) override {
      if (auto* block = dynamic_cast<ResidualBlock*>(&module)) {
        blocks.push_back(block);
      }
    }
  } found;
  found.walk(backbone);
  const auto n = static_cast<int64_t>(found.blocks.size());
  require<UsageError>(n > 0 || rate == 0,
                      "model.drop_path: the backbone has no branches to drop; use 0");
  const auto steps = static_cast<double>(std::max<int64_t>(1, backbone.drop_path_steps(n)));
  for (int64_t i = 0; i < n; ++i) {
    found.blocks[static_cast<size_t>(i)]->drop_rate = rate * static_cast<double>(i) / steps;
  }
}

}  // namespace mld
