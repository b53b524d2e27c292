#include "train/analysis/calibration.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace mld {
namespace {

// A bin's upper edge belongs to it. The product is exact in double.
size_t bin_of(float score, int64_t bins) {
  const auto b = static_cast<int64_t>(std::ceil(double{score} * static_cast<double>(bins))) - 1;
  return static_cast<size_t>(std::clamp<int64_t>(b, 0, bins - 1));
}

void add(ScoreBin& bin, float score, bool positive) {
  ++(positive ? bin.positives : bin.negatives);
  bin.score_sum += double{score};
}

std::vector<ScoreBin> empty_bins(int64_t bins) {
  require(bins >= 1, "score_bins: the number of bins must be positive, got {}", bins);
  return std::vector<ScoreBin>(static_cast<size_t>(bins));
}

double gap(const ScoreBin& bin) { return std::abs(bin.positive_share() - bin.mean_score()); }

}  // namespace

std::vector<ScoreBin> score_bins(RankedSamples ranking, int64_t bins) {
  std::vector<ScoreBin> result = empty_bins(bins);
  for (const RankedSample& sample : ranking) {
    add(result[bin_of(sample.score, bins)], sample.score, sample.positive);
  }
  return result;
}

void add_bins(std::vector<ScoreBin>& sum, std::span<const ScoreBin> bins) {
  sum.resize(std::max(sum.size(), bins.size()));
  for (size_t b = 0; b < bins.size(); ++b) {
    sum[b].positives += bins[b].positives;
    sum[b].negatives += bins[b].negatives;
    sum[b].score_sum += bins[b].score_sum;
  }
}

std::vector<ScoreBin> best_score_bins(const Predictions& p, int64_t bins) {
  check_probabilities(p);
  std::vector<ScoreBin> result = empty_bins(bins);
  const auto classes = static_cast<size_t>(p.classes);
  for (size_t at = 0; at < p.scores.size(); at += classes) {
    const auto scores = p.scores.subspan(at, classes);
    const size_t best = at + static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
    if (p.targets[best] != Label::unknown) {
      add(result[bin_of(p.scores[best], bins)], p.scores[best],
          p.targets[best] == Label::present);
    }
  }
  return result;
}

double expected_calibration_error(std::span<const ScoreBin> bins) {
  double sum = 0, count = 0;
  for (const ScoreBin& bin : bins) {
    sum += static_cast<double>(bin.count()) * gap(bin);
    count += static_cast<double>(bin.count());
  }
  return count > 0 ? sum / count : 0;
}

double maximum_calibration_error(std::span<const ScoreBin> bins) {
  double largest = 0;
  for (const ScoreBin& bin : bins) {
    largest = std::max(largest, gap(bin));
  }
  return largest;
}

}  // namespace mld
