// One class's samples by falling score: what average precision, thresholds and curves come from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/metrics.h"

namespace mld {

struct RankedSample {
  float score = 0;
  int32_t sample = 0;  // row of the predictions
  bool positive = false;
};
using RankedSamples = std::span<const RankedSample>;

// The samples of class k, best score first; see Note [Order of ties]. O(N log N), 12 bytes each.
// Errors: Error for 2^31 samples or more. NaN scores must have been refused (check_predictions).
std::vector<RankedSample> ranking_of(const Predictions& predictions, int64_t k, Unknown unknown);

int64_t positives_of(RankedSamples ranking);

// A fraction, 0 without positives: the AP of official_map().
double official_ap(RankedSamples ranking);

}  // namespace mld
