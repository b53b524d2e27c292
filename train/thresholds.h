// Score thresholds, one per class, fitted on a labelled split: from where on a class counts as
// present. A checkpoint carries them; `mlinfer predict` and `eval` use them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/ranking.h"

namespace mld {

constexpr double kDefaultThreshold = 0.5;  // on probabilities, where nothing was fitted
constexpr double kNever = 2;               // above every probability: the class is never predicted

// [K] thresholds; a class counts as present if its score >= threshold. Scores are probabilities.
// Without `precision`: the best F1. With it, in (0, 1]: of the thresholds whose precision on the
// split is at least that, the one with the largest recall; kNever if there is none.
//   ties        samples with equal scores are accepted or refused together; of equally good
//               thresholds the largest is taken (fewest false positives)
//   place       half-way between the lowest accepted score and the next lower one (0 if there is
//               none), so that rounding cannot move a sample across
//   positives   a class without any has nothing to fit: kDefaultThreshold
//   unknown     labels are skipped
// Errors: as the metrics; UsageError for a precision outside (0, 1].
std::vector<double> fit_thresholds(const Predictions& predictions,
                                   std::optional<double> precision = std::nullopt);

// The same for one class, from its known samples; `precision` must be in range.
double fit_threshold(RankedSamples ranking, std::optional<double> precision = std::nullopt);

// As people read it: `unit` times the threshold (1, or 100 for percent), or "never".
std::string threshold_text(double threshold, int digits, double unit = 1);

}  // namespace mld
