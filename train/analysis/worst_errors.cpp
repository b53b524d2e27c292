#include "train/analysis/worst_errors.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "train/analysis/keep_best.h"
#include "train/thresholds.h"

namespace mld {

FoundClasses::FoundClasses(const Predictions& p, std::span<const double> thresholds,
                           bool single_label)
    : thresholds_(thresholds.begin(), thresholds.end()) {
  const auto classes = static_cast<size_t>(p.classes);
  if (thresholds_.empty()) {
    thresholds_.assign(classes, kDefaultThreshold);
  }
  require(thresholds_.size() == classes, "found classes: {} thresholds for {} classes",
          thresholds_.size(), classes);
  if (single_label) {
    for (size_t at = 0; at < p.scores.size(); at += classes) {
      const auto scores = p.scores.subspan(at, classes);
      best_.push_back(static_cast<int32_t>(std::ranges::max_element(scores) - scores.begin()));
    }
  }
}

WorstErrors worst_errors(RankedSamples ranking, int64_t k, const FoundClasses& found,
                         int64_t most) {
  const auto highest = [](const ScoredSample& a, const ScoredSample& b) {
    return a.score != b.score ? a.score > b.score : a.sample < b.sample;
  };
  const auto lowest = [](const ScoredSample& a, const ScoredSample& b) {
    return a.score != b.score ? a.score < b.score : a.sample < b.sample;
  };
  WorstErrors errors;
  for (const RankedSample& ranked : ranking) {
    const ScoredSample sample{ranked.sample, ranked.score};
    const bool is_found = found.has(k, ranked);
    if (is_found && !ranked.positive) {
      ++errors.all_false_positives;
      errors.false_positives.push_back(sample);
      keep_best_of_many(errors.false_positives, most, highest);
    } else if (!is_found && ranked.positive) {
      ++errors.all_false_negatives;
      errors.false_negatives.push_back(sample);
      keep_best_of_many(errors.false_negatives, most, lowest);
    }
  }
  keep_best(errors.false_positives, most, highest);
  keep_best(errors.false_negatives, most, lowest);
  return errors;
}

std::vector<size_t> worst_classes(std::span<const ClassAp> classes, int64_t most,
                                  const std::function<bool(size_t)>& has_errors) {
  std::vector<size_t> order(classes.size()), worst;
  std::iota(order.begin(), order.end(), size_t{0});
  std::erase_if(order, [&](size_t k) { return classes[k].positives == 0; });
  std::ranges::stable_sort(order, {}, [&](size_t k) { return classes[k].ap; });
  for (const size_t k : order) {
    if (std::ssize(worst) == most) {
      break;
    }
    if (has_errors(k)) {
      worst.push_back(k);
    }
  }
  return worst;
}

}  // namespace mld
