// The update rules (spec/losses-optim-schedule.md 6 and 7); the arithmetic is in the kernels.
#include "core/kernels.h"
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

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerSpec& spec, Module& model) {
  constexpr float kAdamEps = 1e-8f, kLambEps = 1e-6f;
  std::vector<TrainedParameter> trained = decay_groups(model, static_cast<float>(spec.weight_decay));
  const auto beta2 = static_cast<float>(spec.betas[1]), eps = static_cast<float>(spec.eps);
  if (spec.name == "adam_l2" || spec.name == "adamw") {
    const AdamSpec adam{.rates = {},
                        .beta2 = beta2,
                        .eps = eps > 0 ? eps : kAdamEps,
                        .decoupled = spec.name == "adamw"};
    return std::make_unique<Adam>(std::move(trained), adam);
  }
  if (spec.name == "lamb" || spec.name == "lamb_v3") {
    const LambSpec lamb{.rates = {},
                        .beta2 = beta2,
                        .eps = eps > 0 ? eps : kLambEps,
                        .max_grad_norm = static_cast<float>(spec.max_grad_norm),
                        .timm = spec.name == "lamb"};
    return std::make_unique<Lamb>(std::move(trained), lamb);
  }
  if (spec.name == "sgd") {
    return std::make_unique<Sgd>(std::move(trained));
  }
  fail<UsageError>("optim.name: unknown optimiser \"{}\"; known are adam_l2, adamw, sgd, lamb, "
                   "lamb_v3", spec.name);
}

}  // namespace mld
