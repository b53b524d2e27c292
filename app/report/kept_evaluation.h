// The evaluation of a run's best weights, as val/metrics.json keeps it (docs/formats.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/run_folder.h"
#include "train/scores.h"

namespace mld {

struct KeptEvaluation {
  struct PerClass {
    std::string name;
    int64_t positives = 0;
    std::optional<double> ap{};                        // percent; none without positives
    // Percent, at the threshold, or at 0.5 if none was fitted.
    double precision = 0, recall = 0, f1 = 0;
    std::optional<double> threshold{};                 // above 1: never
    bool seen = true;                                  // zero-shot: whether training showed it
  };
  int64_t samples = 0, skipped = 0;
  std::optional<ScoredWeights> weights{};  // not said by files of version 0.1.0
  std::vector<std::pair<std::string, double>> metrics;  // percent, in their order there
  std::vector<PerClass> classes;
  // [K] what the best weights' file has instead of these thresholds; empty: it has the same.
  std::vector<double> refitted{};

  std::optional<double> metric(std::string_view name) const;
};

// nullopt if there is no such file yet. Errors: DataError for one that is not as we write it.
std::optional<KeptEvaluation> read_kept_evaluation(const RunFolder& folder);

}  // namespace mld
