// Everything that a report shows about a model's scores on a split.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/analysis/calibration.h"
#include "train/analysis/confusions.h"
#include "train/analysis/curves.h"
#include "train/analysis/label_errors.h"
#include "train/analysis/worst_errors.h"
#include "train/metrics.h"

namespace mld {

// How much is kept.
struct AnalysisSpec {
  PlotLimits plot = {};           // of each curve
  int64_t bins = kScoreBins;      // of scores
  int64_t worst = 10;             // false positives, and as many false negatives, per class
  int64_t label_errors = 200;     // in all
  int64_t confusions = 100;       // pairs of classes
};

struct ClassAnalysis {
  int64_t positives = 0, negatives = 0, unknown = 0;  // pictures; `unknown` take no part
  double ap = 0;                                      // as in official_map()
  ClassDecisions at;                                  // threshold, and P, R, F1 there
  Curves curves;
  std::vector<ScoreBin> bins;  // histograms of positives and negatives, reliability
  WorstErrors worst;           // at the threshold; single-label: of the best class
  int64_t label_errors = 0;    // multi-label: suspect labels of this class
};

struct Analysis {
  std::vector<ClassAnalysis> classes;  // [K]
  Curves micro;                        // all decisions under one threshold
  std::vector<ScoreBin> bins;          // of all decisions
  LabelErrors label_errors;
  Confusions confusions;               // multi-label
  std::optional<ConfusionMatrix> matrix;             // single-label
  std::optional<std::vector<ScoreBin>> best_scores;  // single-label: Guo et al.'s reliability
};

// Equal for any number of threads. thresholds: [K], or none: kDefaultThreshold for every class.
//   time    10,000 pictures x 1,000 classes: see bench/analysis.cpp
//   memory  besides the scores: up to 200 bytes a picture for each of classes_at_once(); per class
//           two curves, the bins and the lists of the spec, at most 16 KB with its defaults;
//           confusions()
// Errors: as check_probabilities(); Error if sizes disagree, or if single_label and a picture has
// not exactly one label.
Analysis analyze(const Predictions& predictions, std::span<const double> thresholds,
                 bool single_label, const AnalysisSpec& spec = {});

// How many classes are analysed at a time: a thread each, but no more than what takes as much
// memory as the largest scores that are kept, beside which training goes on.
int64_t classes_at_once(int64_t samples);

}  // namespace mld
