// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mld {

// What an update uses. beta1 is Adam's, or SGD's momentum.
struct Rates {
  double lr = 0, beta1 = 0;
};

// Config section [schedule]. The keys are explained in train/config_keys.cpp.
struct ScheduleSpec {
  std::string name = "onecycle";  // see schedules()
  double pct_start = 0.2;
  int64_t warmup_epochs = 0;  // all but onecycle
  double warmup_lr = 1e-4, min_lr = 1e-6;
  int64_t cooldown_epochs = 0;  // cosine
  int64_t step_epochs = 30;     // step
  double step_factor = 0.1;     // step
};

// The schedule of a run.
struct Schedule {
  ScheduleSpec spec;
  double lr = 1e-4;    // the peak
  double beta1 = 0.9;  // when the schedule does not cycle it
  int64_t epochs = 40, steps_per_epoch = 1;

  // The rates of update `step`. Errors: UsageError for an unknown name.
  Rates at(int64_t step) const;
};

// The table of schedules.
struct ScheduleRow {
  std::string_view name;
  Rates (*at)(const Schedule& schedule, int64_t step);
  bool warms_up, cools_down;  // schedule.warmup_epochs, schedule.cooldown_epochs apply
};
std::span<const ScheduleRow> schedules();
// Errors: UsageError for an unknown name.
const ScheduleRow& schedule_row(const ScheduleSpec& spec);

// The epochs that a run takes: `epochs` plus the cool-down.
int64_t all_epochs(const ScheduleSpec& spec, int64_t epochs);

}  // namespace mld
