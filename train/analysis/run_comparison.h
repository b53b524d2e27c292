// What changed per class from one run to another.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/metrics.h"

namespace mld {

struct ClassChange {
  std::string name;
  int64_t first_positives = 0, second_positives = 0;  // different: not scored on the same pictures
  double first_ap = 0, second_ap = 0;                 // fractions

  double change() const { return second_ap - first_ap; }
};

struct RunComparison {
  std::vector<ClassChange> classes;                  // with positives in both, in the first's order
  std::vector<std::string> only_first, only_second;  // classes that the other run does not have
  std::vector<std::string> without_positives;        // in both, but without an AP in one of them
  double mean_change = 0;                            // over `classes`
};

// By class names, as the classes' order may differ. Names must be unique within a run: Error.
RunComparison compare_runs(std::span<const ClassMetrics> first,
                           std::span<const ClassMetrics> second);

}  // namespace mld
