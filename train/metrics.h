// Metrics: each published definition under its own name. Pure functions in double arithmetic.
//
// All of them take scores (logits or probabilities; this matters only for thresholds) and the
// labels of a whole split. Percentages are 0..100; per-class values are fractions 0..1.
// Errors, for all: NumericError for a NaN score, Error if the sizes disagree.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace mld {

// The scores and labels of N samples for K classes.
struct Predictions {
  std::span<const float> scores;   // [N, K] row-major
  std::span<const Label> targets;  // [N, K]
  int64_t classes = 0;             // K

  int64_t samples() const {
    return classes > 0 ? static_cast<int64_t>(scores.size()) / classes : 0;
  }
};

// The errors above, for what is computed from predictions elsewhere.
void check_predictions(const Predictions& predictions);
// The same where scores must be probabilities; Error for one outside [0, 1].
void check_probabilities(const Predictions& predictions);

// Whether unknown labels are skipped or count as negatives (as in code without a third state).
enum class Unknown { skip, as_absent };

// A mean average precision and its components.
struct MeanAp {
  double percent = 0;               // 0 if no class counts
  std::vector<double> ap;           // [K] fractions
  std::vector<int64_t> positives;   // [K]
  int64_t without_positives = 0;    // how many classes have none
};

// Note [Order of ties]. Samples with equal scores are ranked by descending index: the reverse of a
// stable ascending sort. The published code leaves the order to an unstable sort.

// The ML-Decoder and ASL authors' mAP: AP = sum over positives of (positives so far / rank) divided
// by (positives + 1e-8). A class without positives has AP 0 and stays in the mean.
MeanAp official_map(const Predictions& predictions);
// The same APs; the mean is over the classes that have positives.
MeanAp map_present(const Predictions& predictions);
// ML-GCN's AP (util.py): without the epsilon. Unknown::skip is its "difficult" flag. A class
// without positives, a division by zero in util.py, has AP 0 and is left out of the mean.
MeanAp mlgcn_map(const Predictions& predictions, Unknown unknown);
// PASCAL VOC 2007 devkit: mean over recalls t = 0, 0.1 ... 1 of the largest precision at recall
// >= t. Classes without positives as in mlgcn_map.
MeanAp voc_map_11_points(const Predictions& predictions, Unknown unknown = Unknown::skip);
// PASCAL VOC 2010 and later: the area under the monotone envelope of the precision-recall curve.
MeanAp voc_map_all_points(const Predictions& predictions, Unknown unknown = Unknown::skip);

// Precision, recall and F1, averaged over classes and over all decisions, in percent.
struct PrecisionRecall {
  double class_precision = 0, class_recall = 0, class_f1 = 0;        // CP, CR, CF1
  double overall_precision = 0, overall_recall = 0, overall_f1 = 0;  // OP, OR, OF1
};

// The official validation script: positive if score > threshold; class_f1 is the mean of the
// classes' F1 ("CF1, mean of class F1"). Unknown labels are skipped.
PrecisionRecall official_precision_recall(const Predictions& predictions, double threshold);

// ML-GCN's, used in the literature's comparisons: positive if score >= threshold (0 for logits, 0.5
// for probabilities) and, if top > 0, among the picture's `top` highest; class_f1 is the harmonic
// mean of CP and CR ("CF1, harmonic"). A class never predicted counts one prediction, in OP too.
// Where the published code divides by zero, we choose: classes without positives have recall 0, and
// F1 of zero precision and recall is 0.
PrecisionRecall mlgcn_precision_recall(const Predictions& predictions, double threshold, int top,
                                       Unknown unknown);

struct F1AtK {
  double precision = 0, recall = 0, f1 = 0;  // percent, pooled over pictures and labels
};

// F1@K: the K highest labels of every picture against its positives. SDL's form drops pictures
// without positives; with keep_empty they take part (CLIP-Decoder's form). Ties: lower class index
// first. K beyond the number of classes means all of them, but precision still divides by K. The
// published code has no unknown labels; skipped, they are not ranked, and precision divides by the
// number of those that are.
F1AtK f1k(const Predictions& predictions, int k, bool keep_empty = false,
          Unknown unknown = Unknown::as_absent);

// The percentage of samples, each with one label, whose class is among the k highest scores: with
// one label a picture, the recall of the k highest labels. Ties as there.
double top_k_accuracy(const Predictions& predictions, int k);

// One line of the per-class table; all values fractions.
struct ClassMetrics {
  std::string name;
  int64_t positives = 0;
  double ap = 0;                             // the official AP
  double precision = 0, recall = 0, f1 = 0;  // at score > threshold
};

// names [K]. Unknown labels are skipped.
std::vector<ClassMetrics> class_table(const Predictions& predictions,
                                      std::span<const std::string> names, double threshold);

// A class's decisions at its own threshold; precision, recall and F1 are fractions.
struct ClassDecisions {
  double threshold = 0, precision = 0, recall = 0, f1 = 0;
};
struct AtThresholds {
  double macro_f1 = 0;  // percent: the mean of all classes' F1; 0 for one without positives
  double micro_f1 = 0;  // percent: F1 of all decisions together
  std::vector<ClassDecisions> classes;  // [K]
};
// thresholds [K]: positive if score >= threshold, as in `mlinfer predict`. Unknown labels are
// skipped.
AtThresholds at_thresholds(const Predictions& predictions, std::span<const double> thresholds);

}  // namespace mld
