#include "train/ranking.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace mld {

std::vector<RankedSample> ranking_of(const Predictions& p, int64_t k, Unknown unknown) {
  const int64_t N = p.samples();
  require(N <= std::numeric_limits<int32_t>::max(), "ranking: {} samples are too many", N);
  std::vector<RankedSample> ranking;
  ranking.reserve(static_cast<size_t>(N));
  for (int64_t i = 0; i < N; ++i) {
    const auto at = static_cast<size_t>(i * p.classes + k);
    if (unknown == Unknown::as_absent || p.targets[at] != Label::unknown) {
      ranking.push_back({p.scores[at], static_cast<int32_t>(i), p.targets[at] == Label::present});
    }
  }
  std::ranges::sort(ranking, [](const RankedSample& a, const RankedSample& b) {
    return a.score != b.score ? a.score > b.score : a.sample > b.sample;
  });
  return ranking;
}

int64_t positives_of(RankedSamples ranking) {
  return std::ranges::count(ranking, true, &RankedSample::positive);
}

}  // namespace mld
