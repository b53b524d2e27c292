// optim/*: trajectories of the optimisers, schedules, and the moving average.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "tests/parity/fixture.h"
#include "tests/parity/modules.h"

namespace mld::parity {
namespace {

// Parameters start at p0/<name>; update t takes grad/<t>/<name> and gives p/<t>/<name>, at the
// rates lr_beta1[t] where stored. `rates_of(t)` are ours.
template <class RatesOf>
void run_trajectory(Fixture& fixture, const OptimizerSpec& spec, RatesOf&& rates_of) {
  TensorTable table;
  for (const std::string& name : fixture.cases("p0/")) {
    const Tensor value = to_tensor(fixture.array("p0/" + name));
    table.parameters.emplace_back(name, Parameter(value.shape()));
    table.parameters.back().second.value = value;
  }
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(spec, table);
  const auto steps = static_cast<int64_t>(fixture.cases("grad/").size());
  Array used{{steps, 2}, {}};
  for (int64_t t = 0; t < steps; ++t) {
    const std::string step = std::to_string(t) + "/";
    for (auto& [name, parameter] : table.parameters) {
      parameter.grad = to_tensor(fixture.array("grad/" + step + name));
    }
    const Rates rates = rates_of(t);
    used.values.insert(used.values.end(), {rates.lr, rates.beta1});
    optimizer->step(rates);
    for (auto& [name, parameter] : table.parameters) {
      fixture.compare("p/" + step + name, to_array(parameter.value));
    }
  }
  if (fixture.has("lr_beta1")) {
    fixture.compare("lr_beta1", used);
  }
}

// Constant rates and an optimiser of ours, hyper-parameters from the manifest.
void run_constant(Fixture& fixture, const char* name) {
  const Json& config = fixture.config();
  double beta1 = number(config, "momentum", 0.9), beta2 = 0.999;
  if (has(config, "betas")) {
    beta1 = numbers(config, "betas").at(0);
    beta2 = numbers(config, "betas").at(1);
  }
  const Rates rates{number(config, "lr"), beta1};
  const OptimizerSpec spec{.name = name,
                           .weight_decay = number(config, "weight_decay", 0),
                           .betas = {beta1, beta2},
                           .eps = number(config, "eps", 0),
                           .max_grad_norm = number(config, "max_grad_norm", 1)};
  run_trajectory(fixture, spec, [&](int64_t) { return rates; });
}

void run_adam_l2(Fixture& fixture) { run_constant(fixture, "adam_l2"); }
void run_adamw(Fixture& fixture) { run_constant(fixture, "adamw"); }
void run_lamb_timm(Fixture& fixture) { run_constant(fixture, "lamb"); }
void run_lamb_v3(Fixture& fixture) { run_constant(fixture, "lamb_v3"); }

void run_sgd(Fixture& fixture) {
  if (!flag(fixture.config(), "nesterov", true)) {
    throw Uncovered{"SGD is Nesterov's only"};
  }
  run_constant(fixture, "sgd");
}

void run_adam_l2_onecycle(Fixture& fixture) {
  const Json& config = fixture.config();
  const auto stored = static_cast<int64_t>(fixture.cases("grad/").size());
  const Schedule schedule{.spec = {.name = "onecycle",
                                   .pct_start = number(config, "pct_start", 0.2)},
                          .lr = number(config, "lr"),
                          .epochs = integer(config, "epochs", 1),
                          .steps_per_epoch = integer(config, "steps", stored)};
  const OptimizerSpec spec{.name = "adam_l2",
                           .weight_decay = number(config, "weight_decay", 0),
                           .eps = number(config, "eps", 0)};
  run_trajectory(fixture, spec, [&](int64_t t) { return schedule.at(t); });
}

// onecycle/<case>: rows (lr, beta1) of every update and one more; cosine/<case>: lr of each epoch.
void run_schedules(Fixture& fixture) {
  for (const Json* config : elements(fixture.config())) {
    const std::string kind = text(*config, "kind");
    const std::string key = kind + "/" + std::to_string(integer(*config, "case"));
    require<DataError>(kind == "onecycle" || kind == "cosine", "{}: no schedule \"{}\"",
                       fixture.name(), kind);
    Array ours{fixture.array(key).shape, {}};
    const Schedule schedule{
        .spec = {.name = kind,
                 .pct_start = number(*config, "pct_start", 0.2),
                 .warmup_epochs = integer(*config, "warmup_epochs", 0),
                 .warmup_lr = number(*config, "warmup_lr", 1e-4),
                 .min_lr = number(*config, "min_lr", 1e-6)},
        .lr = number(*config, kind == "cosine" ? "lr" : "max_lr"),
        .epochs = integer(*config, "epochs"),
        .steps_per_epoch = integer(*config, "steps_per_epoch", 1)};
    for (int64_t t = 0; t < ours.shape.at(0); ++t) {
      const Rates now = schedule.at(t);
      ours.values.push_back(now.lr);
      if (kind == "onecycle") {
        ours.values.push_back(now.beta1);
      }
    }
    // Rates span orders of magnitude: each is held to the limit, not only the largest.
    const Array theirs = fixture.array(key);
    double worst = 0;
    for (size_t i = 0; i < theirs.values.size(); ++i) {
      worst = std::max(worst, std::abs(ours.values.at(i) / theirs.values[i] - 1));
    }
    fixture.record(key + ", each value", worst, fixture.limit());
    fixture.compare(key, ours);
  }
}

void copy_values(const Array& from, const Tensor& to) {
  const Tensor values = to_tensor(from);
  std::copy_n(values.data<float>(), values.numel(), to.data<float>());
}

// Copies the reference's tensors <prefix><name> into the table, whose entries it makes when empty:
// counters and running statistics as buffers, the rest as parameters.
void fill_table(Fixture& fixture, const std::string& prefix, TensorTable& table) {
  const bool empty = table.parameters.empty() && table.buffers.empty();
  for (const std::string& name : fixture.cases(prefix)) {
    const Array array = fixture.array(prefix + name);
    const bool counter = fixture.dtype(prefix + name) == "I64";
    if (empty && counter) {
      table.buffers.emplace_back(name, Buffer(Shape{}, DType::i64));
      table.buffers.back().second.value = Tensor::zeros({}, DType::i64, device());
    } else if (empty && name.find("running_") != std::string::npos) {
      table.buffers.emplace_back(name, Buffer(to_tensor(array).shape()));
      table.buffers.back().second.value = to_tensor(array);
    } else if (empty) {
      table.parameters.emplace_back(name, Parameter(to_tensor(array).shape()));
      table.parameters.back().second.value = to_tensor(array);
    }
    for (auto& [own, parameter] : table.parameters) {
      if (own == name) {
        copy_values(array, parameter.value);
      }
    }
    for (auto& [own, buffer] : table.buffers) {
      if (own == name && counter) {
        *buffer.value.data<int64_t>() = static_cast<int64_t>(array.values.at(0));
      } else if (own == name) {
        copy_values(array, buffer.value);
      }
    }
  }
}

// start/<name>, then model/<t>/<name> and the average ema/<t>/<name> after it. The published code
// averages integer counters too and truncates; ours copies them, so they are held to the model's.
void run_ema(Fixture& fixture) {
  TensorTable table;
  fill_table(fixture, "start/", table);
  Ema ema(table, number(fixture.config(), "decay"));
  for (const std::string& step : fixture.cases("model/")) {
    fill_table(fixture, "model/" + step + "/", table);
    ema.update();
    for (const auto& [name, tensor] : ema.state()) {
      const std::string key = "ema/" + step + "/" + name;
      if (tensor.dtype() == DType::i64) {
        fixture.ignore(key, "truncated by design of the published code");
        fixture.compare("model/" + step + "/" + name, scalar(tensor));
      } else {
        fixture.compare(key, to_array(tensor));
      }
    }
  }
}

}  // namespace

const std::vector<Kind>& optim_kinds() {
  static const std::vector<Kind> kinds{{"optim/adam_l2", run_adam_l2},
                                       {"optim/adam_l2_onecycle", run_adam_l2_onecycle},
                                       {"optim/adamw", run_adamw},
                                       {"optim/lamb_timm", run_lamb_timm},
                                       {"optim/lamb_v3", run_lamb_v3},
                                       {"optim/sgd_nesterov", run_sgd},
                                       {"optim/schedules", run_schedules},
                                       {"optim/ema", run_ema}};
  return kinds;
}

}  // namespace mld::parity
