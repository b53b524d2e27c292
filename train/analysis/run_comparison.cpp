#include "train/analysis/run_comparison.h"

#include <unordered_map>

#include "core/error.h"

namespace mld {
namespace {

using ByName = std::unordered_map<std::string, const ClassMetrics*>;

ByName by_name(std::span<const ClassMetrics> classes) {
  ByName result;
  for (const ClassMetrics& one : classes) {
    require(result.emplace(one.name, &one).second, "compare_runs: two classes are called \"{}\"",
            one.name);
  }
  return result;
}

}  // namespace

RunComparison compare_runs(std::span<const ClassMetrics> first,
                           std::span<const ClassMetrics> second) {
  const ByName firsts = by_name(first), seconds = by_name(second);
  RunComparison result;
  for (const ClassMetrics& one : first) {
    const auto found = seconds.find(one.name);
    if (found == seconds.end()) {
      result.only_first.push_back(one.name);
      continue;
    }
    const ClassMetrics& other = *found->second;
    if (one.positives == 0 || other.positives == 0) {
      result.without_positives.push_back(one.name);
      continue;
    }
    result.classes.push_back({one.name, one.positives, other.positives, one.ap, other.ap});
    result.mean_change += result.classes.back().change();
  }
  for (const ClassMetrics& other : second) {
    if (!firsts.contains(other.name)) {
      result.only_second.push_back(other.name);
    }
  }
  if (!result.classes.empty()) {
    result.mean_change /= static_cast<double>(result.classes.size());
  }
  return result;
}

}  // namespace mld
