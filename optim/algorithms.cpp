// The update rules (spec/losses-optim-schedule.md 6 and 7); the arithmetic is in the kernels.
#include "core/kernels.h"
#include "core/table.h"
#include "optim/optimizer.h"

namespace mld {

namespace {

// Optimisers with two moments: m follows the gradient, v its square.
class TwoMoments : public Optimizer {
 protected:
  TwoMoments(std::vector<TrainedParameter> trained, float beta2)
      : Optimizer(std::move(trained), {"m", "v"}, beta2) {}

  std::vector<AdamSlot> slots() const {
    std::vector<AdamSlot> all;
    for (size_t i = 0; i < trained_parameters().size(); ++i) {
      const TrainedParameter& t = trained_parameters()[i];
      all.push_back({.value = t.parameter->value,
                     .grad = gradient(i),
                     .m = moment(0, i),
                     .v = moment(1, i),
                     .weight_decay = t.weight_decay});
    }
    return all;
  }
};

class Adam : public TwoMoments {
 public:
  Adam(std::vector<TrainedParameter> trained, const AdamSpec& spec)
      : TwoMoments(std::move(trained), spec.beta2), spec_(spec) {}

  void apply(const Tensor& rates) override {
    spec_.rates = rates;
    KERNEL(device(), adam_step)(slots(), spec_);
  }

 private:
  AdamSpec spec_;
};

class Lamb : public TwoMoments {
 public:
  Lamb(std::vector<TrainedParameter> trained, const LambSpec& spec)
      : TwoMoments(std::move(trained), spec.beta2), spec_(spec) {}

  void apply(const Tensor& rates) override {
    spec_.rates = rates;
    KERNEL(device(), lamb_step)(slots(), spec_);
  }

 private:
  LambSpec spec_;
};

class Sgd : public Optimizer {
 public:
  explicit Sgd(std::vector<TrainedParameter> trained)
      : Optimizer(std::move(trained), {"momentum"}, 0) {}

  void apply(const Tensor& rates) override {
    std::vector<SgdSlot> slots;
    for (size_t i = 0; i < trained_parameters().size(); ++i) {
      const TrainedParameter& t = trained_parameters()[i];
      slots.push_back({.value = t.parameter->value,
                       .grad = gradient(i),
                       .momentum = moment(0, i),
                       .weight_decay = t.weight_decay});
    }
    KERNEL(device(), sgd_step)(slots, rates);
  }
};

template <bool decoupled>
std::unique_ptr<Optimizer> adam(const OptimizerSpec& spec, std::vector<TrainedParameter> trained) {
  constexpr float kEps = 1e-8f;
  return std::make_unique<Adam>(
      std::move(trained), AdamSpec{.rates = {},
                                   .beta2 = static_cast<float>(spec.betas[1]),
                                   .eps = spec.eps > 0 ? static_cast<float>(spec.eps) : kEps,
                                   .decoupled = decoupled});
}

std::unique_ptr<Optimizer> sgd(const OptimizerSpec&, std::vector<TrainedParameter> trained) {
  return std::make_unique<Sgd>(std::move(trained));
}

template <bool timm>
std::unique_ptr<Optimizer> lamb(const OptimizerSpec& spec, std::vector<TrainedParameter> trained) {
  constexpr float kEps = 1e-6f;
  return std::make_unique<Lamb>(
      std::move(trained), LambSpec{.rates = {},
                                   .beta2 = static_cast<float>(spec.betas[1]),
                                   .eps = spec.eps > 0 ? static_cast<float>(spec.eps) : kEps,
                                   .max_grad_norm = static_cast<float>(spec.max_grad_norm),
                                   .timm = timm});
}

constexpr OptimizerRow kOptimizers[] = {
    {"adam_l2", adam<false>, false},
    {"adamw", adam<true>, false},
    {"sgd", sgd, true},
    {"lamb", lamb<true>, false},
    {"lamb_v3", lamb<false>, false},
};

const OptimizerRow& row_of(const OptimizerSpec& spec) {
  return row_named(optimizers(), spec.name, "optim.name");
}

}  // namespace

std::span<const OptimizerRow> optimizers() { return kOptimizers; }

double OptimizerSpec::beta1() const { return row_of(*this).momentum ? momentum : betas[0]; }

std::unique_ptr<Optimizer> make_optimizer(const OptimizerSpec& spec, Module& model) {
  return row_of(spec).make(spec, decay_groups(model, static_cast<float>(spec.weight_decay)));
}

}  // namespace mld
