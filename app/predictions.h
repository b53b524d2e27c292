// Which labels of a picture are shown: what predict and attention share.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "app/recognizer.h"

namespace mld {

// Of labels(): the given threshold for all, else each one's own; none where exactly one label is
// right: then the answer is the best.
std::vector<double> thresholds_of(std::optional<double> given, const Recognizer& recognizer);

struct Prediction {
  const AskedLabel* label;
  float score;
  bool above;  // at least the threshold, or the one answer
  std::optional<double> threshold;  // none: the best is the one answer
};

// The labels to show, best first: the best `top_k`, or those with at least their threshold and
// always the best one.   scores [labels], thresholds [labels] or none: only the best is above
std::vector<Prediction> choose(std::span<const float> scores,
                               const std::vector<AskedLabel>& labels,
                               std::span<const double> thresholds, std::optional<int64_t> top_k);

}  // namespace mld
