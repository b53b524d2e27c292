// Precision, recall and F1 as the threshold falls from 1 to 0, thinned to what a plot can show.
#pragma once

#include <vector>

#include "train/analysis/polyline.h"
#include "train/ranking.h"

namespace mld {

// All values are fractions.
struct PrPoint {
  double recall = 0, precision = 0;
  double threshold = 0;  // the decisions with score >= threshold
};
struct F1Point {
  double threshold = 0, f1 = 0;
};

struct Curves {
  // One point for every score that occurs, best score first: recall rises. Not extended to recall
  // 0, where precision is undefined. Every point is attained; precision between two points is not
  // on the straight line (Davis and Goadrich 2006), which is for the eye. Empty without positives.
  std::vector<PrPoint> precision_recall;
  // F1 of deciding by score >= threshold: steps from threshold 1 down to 0, corners included.
  std::vector<F1Point> f1;
  // How far the full curves are from the lines through these points, in plots whose axes are 0..1
  // (recall, precision; threshold, F1).
  double precision_recall_deviation = 0, f1_deviation = 0;
  F1Point best;  // the best F1, at the threshold of fit_threshold(); without positives: 0 there
};

// Of one class, from its known samples. Scores are probabilities.
Curves curves_of(RankedSamples ranking, const PlotLimits& limits = {});

// Of all classes' decisions together, under one threshold for all ("micro-averaged"). Unknown
// labels are skipped. Every point is exact; scores whose odds p / (1 - p) agree to two parts in a
// thousand count as equal, so that 10^8 decisions need one pass and 6 MB instead of sorting. `best`
// is the best of these points. Errors: as check_probabilities().
Curves micro_curves(const Predictions& predictions, const PlotLimits& limits = {});

}  // namespace mld
