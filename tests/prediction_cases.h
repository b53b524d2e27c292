// Predictions for the tests of analyses: made by hand, or random with many ties.
#pragma once

#include <vector>

#include "core/random.h"
#include "train/ranking.h"

namespace mld::test {

constexpr Label P = Label::present, A = Label::absent, I = Label::unknown;

// Scores and labels that own their memory.
struct OwnedPredictions {
  std::vector<float> scores;   // [N, K]
  std::vector<Label> targets;  // [N, K]
  int64_t classes = 1;

  Predictions view() const { return {scores, targets, classes}; }
  std::vector<RankedSample> ranking(int64_t k = 0) const {
    return ranking_of(view(), k, Unknown::skip);
  }
  float score(int64_t i, int64_t k) const { return scores[static_cast<size_t>(i * classes + k)]; }
  Label target(int64_t i, int64_t k) const { return targets[static_cast<size_t>(i * classes + k)]; }
};

// Probabilities in steps of 1/32, so that many are equal; positives score higher on average. The
// first class has no positive, the second has positives only.
inline OwnedPredictions random_predictions(int64_t samples, int64_t classes, uint64_t seed) {
  RandomStream random({seed, 0, 0});
  OwnedPredictions p{.scores = {}, .targets = {}, .classes = classes};
  for (int64_t i = 0; i < samples; ++i) {
    for (int64_t k = 0; k < classes; ++k) {
      Label label = random.coin(0.3) ? P : A;
      label = k == 0 ? A : k == 1 ? P : label;
      const double score = random.uniform() * 0.7 + (label == P ? 0.3 : 0);
      p.scores.push_back(static_cast<float>(static_cast<int>(score * 33)) / 32);
      p.targets.push_back(random.coin(0.1) ? I : label);
    }
  }
  return p;
}

}  // namespace mld::test
