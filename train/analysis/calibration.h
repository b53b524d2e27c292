// Whether probabilities are what they say: reliability diagrams and histograms of scores.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/ranking.h"

namespace mld {

constexpr int64_t kScoreBins = 15;  // as in Guo et al. 2017

// The decisions with a score in one of B equal parts of [0, 1]: bin b holds those in
// (b / B, (b + 1) / B], the first also those at 0 (Guo et al. 2017, "On calibration of modern
// neural networks", arXiv 1706.04599, section 2). Positives and negatives of all bins are the
// histograms.
struct ScoreBin {
  int64_t positives = 0, negatives = 0;
  double score_sum = 0;

  int64_t count() const { return positives + negatives; }
  // "Confidence" and "accuracy" of the reliability diagram, 0 in an empty bin.
  double mean_score() const { return count() > 0 ? score_sum / static_cast<double>(count()) : 0; }
  double positive_share() const {
    return count() > 0 ? static_cast<double>(positives) / static_cast<double>(count()) : 0;
  }
};

// One class's decisions: is the class there as often as its probability says? [bins]
// Errors, here and below: Error for bins < 1. Scores must be probabilities.
std::vector<ScoreBin> score_bins(RankedSamples ranking, int64_t bins = kScoreBins);

// Adds bins to a sum; to an empty one too. Summed over all classes they describe all (picture,
// class) decisions of a multi-label model. Most of these are easy absences with scores near 0, so
// the calibration error of the sum is small for nearly every model: look at the diagram.
void add_bins(std::vector<ScoreBin>& sum, std::span<const ScoreBin> bins);

// Guo et al.'s own diagram, for one label a picture: the best score of every picture, and whether
// it is the label. Ties: the lower class. Pictures whose best class is unknown are skipped.
// Errors: as check_probabilities().
std::vector<ScoreBin> best_score_bins(const Predictions& predictions, int64_t bins = kScoreBins);

// Expected calibration error, eq. 3 there: the mean over decisions of |share of positives - mean
// score| of their bin. A fraction; 0 without decisions.
double expected_calibration_error(std::span<const ScoreBin> bins);
// Maximum calibration error, eq. 5: the largest of these differences.
double maximum_calibration_error(std::span<const ScoreBin> bins);

}  // namespace mld
