#include "app/predictions.h"

#include <algorithm>
#include <numeric>

namespace mld {

std::vector<double> thresholds_of(std::optional<double> given, const Recognizer& recognizer) {
  std::vector<double> thresholds;
  if (!given && recognizer.one_label()) {
    return thresholds;
  }
  for (const AskedLabel& label : recognizer.labels()) {
    thresholds.push_back(given.value_or(label.threshold));
  }
  return thresholds;
}

std::vector<Prediction> choose(std::span<const float> scores,
                               const std::vector<AskedLabel>& labels,
                               std::span<const double> thresholds, std::optional<int64_t> top_k) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t k) { return scores[k]; });
  std::vector<Prediction> chosen;
  for (const size_t k : order) {
    const bool above = thresholds.empty() ? chosen.empty() : scores[k] >= thresholds[k];
    if (top_k ? std::ssize(chosen) < *top_k : above || chosen.empty()) {
      chosen.push_back({&labels[k], scores[k], above,
                        thresholds.empty() ? std::nullopt : std::optional(thresholds[k])});
    }
  }
  return chosen;
}

}  // namespace mld
