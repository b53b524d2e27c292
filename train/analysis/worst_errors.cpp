#include "train/analysis/worst_errors.h"

#include "train/analysis/keep_best.h"

namespace mld {

WorstErrors worst_errors(RankedSamples ranking, double threshold, int64_t most) {
  const auto highest = [](const ScoredSample& a, const ScoredSample& b) {
    return a.score != b.score ? a.score > b.score : a.sample < b.sample;
  };
  const auto lowest = [](const ScoredSample& a, const ScoredSample& b) {
    return a.score != b.score ? a.score < b.score : a.sample < b.sample;
  };
  WorstErrors errors;
  for (const RankedSample& ranked : ranking) {
    const ScoredSample sample{ranked.sample, ranked.score};
    const bool predicted = double{ranked.score} >= threshold;
    if (predicted && !ranked.positive) {
      ++errors.all_false_positives;
      errors.false_positives.push_back(sample);
      keep_best_of_many(errors.false_positives, most, highest);
    } else if (!predicted && ranked.positive) {
      ++errors.all_false_negatives;
      errors.false_negatives.push_back(sample);
      keep_best_of_many(errors.false_negatives, most, lowest);
    }
  }
  keep_best(errors.false_positives, most, highest);
  keep_best(errors.false_negatives, most, lowest);
  return errors;
}

}  // namespace mld
