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

int64_t epoch_of(const Schedule& s, int64_t step) {
  return step / std::max<int64_t>(s.steps_per_epoch, 1);
}

// From warmup_lr at epoch 0 linearly towards lr at epoch warmup_epochs.
double warm_up(const Schedule& s, int64_t epoch) {
  return s.spec.warmup_lr + static_cast<double>(epoch) * (s.lr - s.spec.warmup_lr) /
                                static_cast<double>(s.spec.warmup_epochs);
}

// OneCycleLR (arXiv 1708.07120 as implemented in PyTorch: two cosine phases, momentum cycled).
// Step T = epochs * steps_per_epoch is defined too.
Rates one_cycle(const Schedule& s, int64_t step) {
  constexpr double kDiv = 25, kFinalDiv = 1e4;  // the first lr is lr / 25, the last 1e4 times less
  constexpr double kLowest = 0.85, kHighest = 0.95;  // beta1
  const double T = static_cast<double>(s.epochs * s.steps_per_epoch);
  const double e1 = s.spec.pct_start * T - 1, e2 = T - 1;
  const double t = static_cast<double>(step), first_lr = s.lr / kDiv;
  if (t <= e1) {
    const double f = e1 > 0 ? t / e1 : 1;
    return {anneal(first_lr, s.lr, f), anneal(kHighest, kLowest, f)};
  }
  const double f = e2 > e1 ? (t - e1) / (e2 - e1) : 1;
  return {anneal(s.lr, first_lr / kFinalDiv, f), anneal(kLowest, kHighest, f)};
}

// Cosine with warm-up (timm): constant within an epoch; min_lr from `epochs` on (the cool-down).
Rates cosine(const Schedule& s, int64_t step) {
  const int64_t epoch = epoch_of(s, step);
  if (epoch < s.spec.warmup_epochs) {
    return {warm_up(s, epoch), s.beta1};
  }
  const double f = static_cast<double>(epoch) / static_cast<double>(s.epochs);
  return {epoch < s.epochs ? anneal(s.lr, s.spec.min_lr, f) : s.spec.min_lr, s.beta1};
}

Rates constant(const Schedule& s, int64_t step) {
  const int64_t epoch = epoch_of(s, step);
  return {epoch < s.spec.warmup_epochs ? warm_up(s, epoch) : s.lr, s.beta1};
}

// Times step_factor after every step_epochs, with warm-up (timm's StepLRScheduler).
Rates step(const Schedule& s, int64_t step) {
  const int64_t epoch = epoch_of(s, step);
  if (epoch < s.spec.warmup_epochs) {
    return {warm_up(s, epoch), s.beta1};
  }
  const auto falls = static_cast<double>(epoch / s.spec.step_epochs);
  return {s.lr * std::pow(s.spec.step_factor, falls), s.beta1};
}

constexpr ScheduleRow kSchedules[] = {
    {"onecycle", one_cycle, false, false},
    {"cosine", cosine, true, true},
    {"constant", constant, true, false},
    {"step", step, true, false},
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
