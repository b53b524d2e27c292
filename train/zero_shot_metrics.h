// Metrics of a part of the classes: what zero-shot recognition is judged by.
#pragma once

#include <string>
#include <vector>

#include "train/scores.h"

namespace mld {

// The columns of some classes, without the pictures that show none of them: SDL's protocol
// (spec/metrics-data.md 4). wanted [K]
Scores scores_of(const Scores& all, const std::vector<bool>& wanted);

struct SubsetMetrics {
  std::string name;                  // ZSL: classes unseen in training; GZSL: all; seen
  int64_t classes = 0, samples = 0;  // pictures that show at least one of the classes
  double map = 0, map_official = 0;  // percent; over classes with positives, and over all of them
  double chance = 0;                 // percent: the mAP to expect of random scores
  double f1_3 = 0, f1_5 = 0;         // percent
};

// None if every class was seen, or no picture shows one that was not. seen [K]; empty: all
std::vector<SubsetMetrics> zero_shot_metrics(const Scores& scores, const std::vector<bool>& seen);

// The expected AP, a fraction, of a random order of N pictures with P > 0 positives: the mean over
// the ranks r = 1 .. N of (1 + (r - 1) (P - 1) / (N - 1)) / r.
double chance_ap(int64_t P, int64_t N);

}  // namespace mld
