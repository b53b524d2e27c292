#include "train/best_weights.h"

#include <algorithm>

#include "core/error.h"

namespace mld {

int64_t validations_without_progress(std::span<const double> history) {
  double best = BestRecord{}.metric;
  int64_t since = 0;
  for (const double metric : history) {
    since = metric > best ? 0 : since + 1;
    best = std::max(best, metric);
  }
  return since;
}

bool BestWeights::offer(int64_t step, double raw, std::optional<double> average) {
  const bool average_wins = average && *average > raw;
  const double better = average_wins ? *average : raw;
  if (!(better > record_.metric)) {
    return false;
  }
  record_ = {.metric = better, .step = step, .weights = average_wins ? "ema" : "raw"};
  kept_.clear();
  return true;
}

void BestWeights::before_update(int64_t step) {
  if (record_.step == step && kept_.empty()) {
    kept_ = now_(record_.weights);
  }
}

StateDict BestWeights::weights() const {
  require(record_.step >= 0, "best weights: nothing has been validated yet");
  return kept_.empty() ? now_(record_.weights) : kept_;
}

void BestWeights::restore(BestRecord record, StateDict kept) {
  record_ = std::move(record);
  kept_ = std::move(kept);
}

}  // namespace mld
