#include "train/zero_shot_metrics.h"

#include <algorithm>

#include "core/error.h"

namespace mld {

Scores scores_of(const Scores& all, const std::vector<bool>& wanted) {
  const auto K = static_cast<size_t>(all.classes);
  require(wanted.size() == K, "metrics: {} classes, but {} are marked", K, wanted.size());
  Scores part;
  part.classes = std::ranges::count(wanted, true);
  for (size_t n = 0; n * K < all.targets.size(); ++n) {
    const size_t before = part.targets.size();
    for (size_t k = 0; k < K; ++k) {
      if (wanted[k]) {
        part.scores.push_back(all.scores[n * K + k]);
        part.targets.push_back(all.targets[n * K + k]);
      }
    }
    const auto first = part.targets.begin() + static_cast<std::ptrdiff_t>(before);
    if (std::find(first, part.targets.end(), Label::present) == part.targets.end()) {
      part.scores.resize(before);
      part.targets.resize(before);
    } else {
      part.indices.push_back(all.indices.empty() ? static_cast<int64_t>(n) : all.indices[n]);
    }
  }
  return part;
}

double chance_ap(int64_t P, int64_t N) {
  const double slope =
      N > 1 ? static_cast<double>(P - 1) / static_cast<double>(N - 1) : 0;
  double sum = 0;
  for (int64_t r = 1; r <= N; ++r) {
    sum += (1 + static_cast<double>(r - 1) * slope) / static_cast<double>(r);
  }
  return sum / static_cast<double>(N);
}

static SubsetMetrics measure(std::string name, const Scores& part) {
  const Predictions predictions = part.predictions();
  const MeanAp present = map_present(predictions);
  SubsetMetrics result{.name = std::move(name), .classes = part.classes,
                       .samples = predictions.samples(), .map = present.percent,
                       .map_official = official_map(predictions).percent,
                       .f1_3 = f1k(predictions, 3).f1, .f1_5 = f1k(predictions, 5).f1};
  const int64_t counted = part.classes - present.without_positives;
  for (const int64_t positives : present.positives) {
    if (positives > 0) {
      result.chance +=
          100 * chance_ap(positives, result.samples) / static_cast<double>(counted);
    }
  }
  return result;
}

std::vector<SubsetMetrics> zero_shot_metrics(const Scores& scores, const std::vector<bool>& seen) {
  if (std::ranges::count(seen, false) == 0) {
    return {};
  }
  std::vector<bool> unseen = seen;
  unseen.flip();
  std::vector<SubsetMetrics> all;
  const std::pair<const char*, std::vector<bool>> parts[] = {
      {"ZSL", unseen}, {"GZSL", std::vector<bool>(seen.size(), true)}, {"seen", seen}};
  for (const auto& [name, wanted] : parts) {
    if (const Scores part = scores_of(scores, wanted); !part.targets.empty()) {
      all.push_back(measure(name, part));
    } else if (all.empty()) {
      return {};
    }
  }
  return all;
}

}  // namespace mld
