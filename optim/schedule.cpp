#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace mld {

namespace {

// From a at f = 0 to b at f = 1 along half a cosine.
double anneal(double a, double b, double f) {
  return b + (a - b) / 2 * (1 + std::cos(std::numbers::pi * f));
}

// Linear warm-up: from `start` at epoch 0 towards lr at epoch `length`.
double warm_up(double start, double lr, int64_t epoch, int64_t length) {
  return start + static_cast<double>(epoch) * (lr - start) / static_cast<double>(length);
}

}  // namespace

Rates OneCycle::at(int64_t step) const {
  const double e1 = pct_start * static_cast<double>(total_steps) - 1;
  const double e2 = static_cast<double>(total_steps) - 1;
  const double t = static_cast<double>(step), first_lr = max_lr / div_factor;
  if (t <= e1) {
    const double f = e1 > 0 ? t / e1 : 1;
    return {anneal(first_lr, max_lr, f), anneal(max_momentum, base_momentum, f)};
  }
  const double f = e2 > e1 ? (t - e1) / (e2 - e1) : 1;
  return {anneal(max_lr, first_lr / final_div_factor, f), anneal(base_momentum, max_momentum, f)};
}

double Cosine::at(int64_t epoch) const {
  if (epoch < warmup_epochs) {
    return warm_up(warmup_lr, lr, epoch, warmup_epochs);
  }
  if (epoch >= epochs) {
    return min_lr;
  }
  return anneal(lr, min_lr, static_cast<double>(epoch) / static_cast<double>(epochs));
}

Rates Schedule::at(int64_t step) const {
  const int64_t epoch = step / std::max<int64_t>(steps_per_epoch, 1);
  if (spec.name == "onecycle") {
    const OneCycle cycle{.max_lr = lr, .total_steps = epochs * steps_per_epoch,
                         .pct_start = spec.pct_start};
    return cycle.at(step);
  }
  if (spec.name == "cosine") {
    const Cosine cosine{.lr = lr, .epochs = epochs, .warmup_epochs = spec.warmup_epochs,
                        .warmup_lr = spec.warmup_lr, .min_lr = spec.min_lr};
    return {cosine.at(epoch), beta1};
  }
  if (spec.name == "constant") {
    const bool warm = epoch < spec.warmup_epochs;
    return {warm ? warm_up(spec.warmup_lr, lr, epoch, spec.warmup_epochs) : lr, beta1};
  }
  fail<UsageError>("schedule.name: unknown schedule \"{}\"; expected onecycle, cosine or constant",
                   spec.name);
}

int64_t all_epochs(const ScheduleSpec& spec, int64_t epochs) {
  return epochs + (spec.name == "cosine" ? spec.cooldown_epochs : 0);
}

}  // namespace mld
