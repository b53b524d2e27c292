// The update rules (spec/losses-optim-schedule.md 6 and 7); the arithmetic is in the kernels.
#include "core/kernels.h"
#include "core/table.h"
#include "optim/optimizer.h"

namespace mld {

namespace {

// Optimisers with two moments: m follows the gradient, v its square. `kernel`: in KernelTable.
template <class Spec, auto kernel>
class TwoMoments : public Optimizer {
 public:
  // `rule`: what the kernel takes beside the spec's beta2 and eps.
  TwoMoments(const OptimizerSpec& spec, std::vector<TrainedParameter> trained, const Spec& rule)
      : Optimizer(spec, std::move(trained), static_cast<float>(spec.betas[1])), spec_(rule) {
    spec_.beta2 = static_cast<float>(spec.betas[1]);
    spec_.eps = spec.eps > 0 ? static_cast<float>(spec.eps) : spec_.eps;
  }

  void apply(const Tensor& rates) override {
    std::vector<AdamSlot> slots;
    for (size_t i = 0; i < trained_parameters().size(); ++i) {
      const TrainedParameter& t = trained_parameters()[i];
      slots.push_back({.value = t.parameter->value,
                       .grad = gradient(i),
                       .m = moment(0, i),
                       .v = moment(1, i),
                       .weight_decay = t.weight_decay,
                       .lr_scale = t.lr_scale});
    }
    spec_.rates = rates;
    (backend(device()).*kernel)(slots, spec_);
  }

 private:
  Spec spec_;
};

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerSpec& spec, std::vector<TrainedParameter> trained)
      : Optimizer(spec, std::move(trained), 0) {}

  void apply(const Tensor& rates) override {
    std::vector<SgdSlot> slots;
    for (size_t i = 0; i < trained_parameters().size(); ++i) {
      const TrainedParameter& t = trained_parameters()[i];
      slots.push_back({.value = t.parameter->value,
                       .grad = gradient(i),
                       .momentum = moment(0, i),
                       .weight_decay = t.weight_decay,
                       .lr_scale = t.lr_scale});
    }
    KERNEL(device(), sgd_step)(slots, rates);
  }
};

template <bool decoupled>
std::unique_ptr<Optimizer> adam(const OptimizerSpec& spec, std::vector<TrainedParameter> trained) {
  return std::make_unique<TwoMoments<AdamSpec, &KernelTable::adam_step>>(
      spec, std::move(trained), AdamSpec{.rates = {}, .decoupled = decoupled});
}

std::unique_ptr<Optimizer> sgd(const OptimizerSpec& spec, std::vector<TrainedParameter> trained) {
  return std::make_unique<Sgd>(spec, std::move(trained));
}

template <bool timm>
std::unique_ptr<Optimizer> lamb(const OptimizerSpec& spec, std::vector<TrainedParameter> trained) {
  const LambSpec rule{.rates = {}, .max_grad_norm = static_cast<float>(spec.max_grad_norm),
                      .timm = timm};
  return std::make_unique<TwoMoments<LambSpec, &KernelTable::lamb_step>>(spec, std::move(trained),
                                                                         rule);
}

constexpr std::string_view kAdamMoments[] = {"m", "v"}, kSgdMoments[] = {"momentum"};

constexpr OptimizerRow kOptimizers[] = {
    {"adam_l2", adam<false>, kAdamMoments, false},
    {"adamw", adam<true>, kAdamMoments, false},
    {"sgd", sgd, kSgdMoments, true},
    {"lamb", lamb<true>, kAdamMoments, false},
    {"lamb_v3", lamb<false>, kAdamMoments, false},
};

}  // namespace

std::span<const OptimizerRow> optimizers() { return kOptimizers; }

const OptimizerRow& optimizer_row(const OptimizerSpec& spec) {
  return row_named(optimizers(), spec.name, "optim.name");
}

double OptimizerSpec::beta1() const { return optimizer_row(*this).momentum ? momentum : betas[0]; }

std::unique_ptr<Optimizer> make_optimizer(const OptimizerSpec& spec, Module& model) {
  return optimizer_row(spec).make(spec, decay_groups(model, spec.weight_decay, spec.layer_decay));
}

}  // namespace mld
