// Precision and recall against the threshold, counted at evenly spaced thresholds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/metrics.h"

namespace mld {

// The decisions of one class, or of all together (micro-average), at thresholds i / (T - 1), for
// i = 0 .. T - 1: positive if the score, a probability, is at least that. Unknown labels are
// skipped.
struct ThresholdCurve {
  std::string name;                             // the class's; "": all together
  std::vector<int64_t> true_positives, false_positives;  // [T]
  int64_t positives = 0, negatives = 0;

  // Precision is 1 where nothing is predicted, recall 0 if there is no positive.
  double precision(size_t i) const;
  double recall(size_t i) const;
};

// All decisions together, then the `most` classes with the most positives, commonest first; of
// equally common ones the first. Classes without positives are left out.   names [K]
std::vector<ThresholdCurve> threshold_curves(const Predictions& predictions,
                                             std::span<const std::string> names, size_t most,
                                             size_t thresholds = 101);

}  // namespace mld
