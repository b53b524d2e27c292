// The pictures that a class is most wrong about.
#pragma once

#include <cstdint>
#include <vector>

#include "train/ranking.h"

namespace mld {

struct ScoredSample {
  int64_t sample = 0;  // row of the predictions; Scores::indices has the picture
  float score = 0;

  bool operator==(const ScoredSample&) const = default;
};

struct WorstErrors {
  int64_t all_false_positives = 0, all_false_negatives = 0;
  std::vector<ScoredSample> false_positives;  // absent, but score >= threshold; highest first
  std::vector<ScoredSample> false_negatives;  // present, but score < threshold; lowest first
};

// At most `most` of each, from a class's known samples; of equal scores the lower sample first.
WorstErrors worst_errors(RankedSamples ranking, double threshold, int64_t most);

}  // namespace mld
