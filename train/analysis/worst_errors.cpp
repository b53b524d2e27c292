#include "train/analysis/worst_errors.h"

#include "train/analysis/keep_best.h"

namespace mld {

WorstErrors worst_errors(RankedSamples ranking, double threshold, int64_t most) {
  WorstErrors errors;
  for (const RankedSample& ranked : ranking) {
    const ScoredSample sample{ranked.sample, ranked.score};
    const bool predicted = double{ranked.score} >= threshold;
    if (predicted && !ranked.positive) {
      errors.false_positives.push_back(sample);
    } else if (!predicted && ranked.positive) {
      errors.false_negatives.push_back(sample);
    }
  }
  errors.all_false_positives = std::ssize(errors.false_positives);
  errors.all_false_negatives = std::ssize(errors.false_negatives);
  keep_best(errors.false_positives, most, [](const ScoredSample& a, const ScoredSample& b) {
    return a.score != b.score ? a.score > b.score : a.sample < b.sample;
  });
  keep_best(errors.false_negatives, most, [](const ScoredSample& a, const ScoredSample& b) {
    return a.score != b.score ? a.score < b.score : a.sample < b.sample;
  });
  return errors;
}

}  // namespace mld
