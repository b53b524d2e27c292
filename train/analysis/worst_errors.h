// What a model is wrong about: the worst classes, and their worst pictures.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "train/ranking.h"

namespace mld {

// Which classes a model says a picture shows. Several labels: those whose score reaches their
// threshold. One label: the class with the best score, of equal ones the lower class (as in
// confusion_matrix()), however low that score is.
class FoundClasses {
 public:
  // thresholds: [K], or none: kDefaultThreshold for every class; one label needs none. 4 bytes a
  // picture for one label.
  FoundClasses(const Predictions& predictions, std::span<const double> thresholds,
               bool single_label);

  bool has(int64_t k, const RankedSample& sample) const {
    return best_.empty() ? double{sample.score} >= thresholds_[static_cast<size_t>(k)]
                         : best_[static_cast<size_t>(sample.sample)] == k;
  }

 private:
  std::vector<double> thresholds_;  // [K]
  std::vector<int32_t> best_;       // [N] one label: the best class
};

struct ScoredSample {
  int64_t sample = 0;  // row of the predictions; Scores::indices has the picture
  float score = 0;

  bool operator==(const ScoredSample&) const = default;
};

struct WorstErrors {
  int64_t all_false_positives = 0, all_false_negatives = 0;
  std::vector<ScoredSample> false_positives;  // absent, but found; highest score first
  std::vector<ScoredSample> false_negatives;  // present, but not found; lowest score first

  bool any() const { return all_false_positives + all_false_negatives > 0; }
};

// At most `most` of each, from the known samples of class k; of equal scores the lower sample
// first.
WorstErrors worst_errors(RankedSamples ranking, int64_t k, const FoundClasses& found,
                         int64_t most);

struct ClassAp {
  int64_t positives = 0;
  double ap = 0;
};
// The first `most` of the classes by rising AP, then by column, that are in a picture (others have
// no AP) and have errors. has_errors(column) is asked in that order, as often as necessary.
std::vector<size_t> worst_classes(std::span<const ClassAp> classes, int64_t most,
                                  const std::function<bool(size_t)>& has_errors);

}  // namespace mld
