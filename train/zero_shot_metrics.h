// Zero-shot recognition's metrics, from scores for seen and unseen classes together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/scores.h"

namespace mld {

// SDL's protocol (spec/metrics-data.md section 4): only some classes' columns, and of the pictures
// those that show one of them.   wanted [K]
Scores scores_of(const Predictions& all, const std::vector<bool>& wanted);

// The metrics of such a part; percent.
struct PartMetrics {
  int64_t classes = 0, pictures = 0;
  double map = 0;           // over classes with positives, as map_present()
  double map_official = 0;  // over all, as official_map()
  double chance = 0;        // the mAP to expect of random scores
  double f1_3 = 0, f1_5 = 0;
};
struct ZeroShotMetrics {
  PartMetrics unseen;  // "ZSL": unseen classes among themselves
  PartMetrics all;     // "GZSL": unseen and seen classes together
  PartMetrics seen;    // seen classes among themselves
};
// seen [K]; unknown: of F1@k, as in f1k().
ZeroShotMetrics zero_shot_metrics(const Predictions& predictions, const std::vector<bool>& seen,
                                  Unknown unknown = Unknown::as_absent);

// The expected AP, a fraction, of a random order of N pictures with P > 0 positives: the mean over
// the ranks r = 1 .. N of (1 + (r - 1) (P - 1) / (N - 1)) / r.
double chance_ap(int64_t P, int64_t N);

// Their names in reports, in order.
struct NamedValue {
  const char* key;
  double value;
  const char* meaning;
  bool selects = false;  // may be train.best_metric
};
std::vector<NamedValue> named_values(const ZeroShotMetrics& metrics);

}  // namespace mld
