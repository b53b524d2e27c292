#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/table.h"

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

namespace {

int64_t epoch_of(const Schedule& schedule, int64_t step) {
  return step / std::max<int64_t>(schedule.steps_per_epoch, 1);
}

Rates one_cycle(const Schedule& s, int64_t step) {
  return OneCycle{.max_lr = s.lr, .total_steps = s.epochs * s.steps_per_epoch,
                  .pct_start = s.spec.pct_start}.at(step);
}

Rates cosine(const Schedule& s, int64_t step) {
  const Cosine cosine{.lr = s.lr, .epochs = s.epochs, .warmup_epochs = s.spec.warmup_epochs,
                      .warmup_lr = s.spec.warmup_lr, .min_lr = s.spec.min_lr};
  return {cosine.at(epoch_of(s, step)), s.beta1};
}

Rates constant(const Schedule& s, int64_t step) {
  const int64_t epoch = epoch_of(s, step), length = s.spec.warmup_epochs;
  return {epoch < length ? warm_up(s.spec.warmup_lr, s.lr, epoch, length) : s.lr, s.beta1};
}

constexpr ScheduleRow kSchedules[] = {
    {"onecycle", one_cycle, false, false},
    {"cosine", cosine, true, true},
    {"constant", constant, true, false},
};

}  // namespace

std::span<const ScheduleRow> schedules() { return kSchedules; }

const ScheduleRow& schedule_row(const ScheduleSpec& spec) {
  return row_named(schedules(), spec.name, "schedule.name");
}

Rates Schedule::at(int64_t step) const { return schedule_row(spec).at(*this, step); }

int64_t all_epochs(const ScheduleSpec& spec, int64_t epochs) {
  return epochs + (schedule_row(spec).cools_down ? spec.cooldown_epochs : 0);
}

}  // namespace mld
