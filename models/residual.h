// What residual networks share: blocks whose branch a picture may lose, and their stages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/backbone.h"
#include "nn/layers.h"

namespace mld {

// y = act(branch(x) + shortcut(x)).
struct ResidualBlock : Module {
  double drop_rate = 0;  // probability that a picture loses the branch, in training

  // [N, H, W, C] -> [N, OH, OW, O], sizes rounded up
  virtual Var operator()(const Var& x) = 0;

 protected:
  // The sum with its activation. The first form ends the branch with bn(conv(x)) and fuses what
  // follows, unless pictures are drawn.   branch, shortcut [N, OH, OW, O]
  Var join(Conv2d& conv, BatchNorm2d& bn, const Var& x, const ActivationSpec& act,
           const Var& shortcut) const;
  Var join(const Var& branch, const ActivationSpec& act, const Var& shortcut) const;
};

// A block's shortcut: a projection where the shape changes, else none (x itself).
template <class Projection>
std::optional<Projection> projection(int64_t C, int64_t O, int stride) {
  if (stride == 1 && C == O) {
    return std::nullopt;
  }
  return std::make_optional<Projection>(C, O, stride);
}

// Stages of blocks, one after the other; a stage is called as its blocks are in a checkpoint.
struct Stages : Module {
  using Blocks = std::vector<std::unique_ptr<ResidualBlock>>;
  std::vector<std::pair<std::string, Blocks>> all;

  Blocks& add(std::string name) { return all.emplace_back(std::move(name), Blocks()).second; }
  Var operator()(Var x, const Tap& tap);  // taps every stage
  void each(Visitor& v) override;
};

// Stochastic depth (arXiv 1603.09382) with timm's rates: in training, residual branch i of n, from
// 0, is dropped for a picture with probability rate * i / drop_path_steps(n), else divided by 1
// minus that. Errors: UsageError for a rate in a backbone without residual branches.
void set_drop_path(Backbone& backbone, double rate);

}  // namespace mld
