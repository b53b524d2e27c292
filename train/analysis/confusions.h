// Which classes are taken for each other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/metrics.h"

namespace mld {

// "Class `predicted` was predicted where class `missed` was missed."
struct ConfusedPair {
  int64_t predicted = 0, missed = 0;
  int64_t pictures = 0;

  bool operator==(const ConfusedPair&) const = default;
};

// Multi-label confusions: for every two classes the number of pictures in which one is a false
// positive and the other a false negative, each at its threshold. These are the entries that
// Heydarian, Doyle and Samavi 2022, "MLCM: multi-label confusion matrix", IEEE Access 10, add for
// pictures of their category 3 (both kinds of error); their other entries, of pictures with one
// kind of error, are left out. Counts are not divided among a picture's errors: "in 12 pictures"
// can be checked by looking.
struct Confusions {
  std::vector<ConfusedPair> pairs;  // most pictures first, then by predicted and missed class
  int64_t distinct = 0;             // how many pairs occur
  std::vector<int64_t> false_positives, false_negatives;  // [K] pictures
};

// Keeps the `most` commonest pairs. thresholds [K]: predicted if score >= threshold. Unknown labels
// are skipped. Takes the sum over pictures of (false positives x false negatives) additions, and 8
// bytes per wrong decision in a picture that has both. Errors: as the metrics'; Error if the sizes
// disagree.
Confusions confusions(const Predictions& predictions, std::span<const double> thresholds,
                      int64_t most);

// One label a picture: which class had the best score. Rows are labels, columns predictions; only
// cells that occur are kept, at most one per picture, whatever the number of classes.
struct ConfusionMatrix {
  struct Cell {
    int64_t label = 0, predicted = 0;
    int64_t pictures = 0;

    bool operator==(const Cell&) const = default;
  };
  std::vector<Cell> cells;        // by label, then by predicted class
  std::vector<int64_t> pictures;  // [K] with each label: the sums of the rows

  int64_t count(int64_t label, int64_t predicted) const;
  // The row's share, a fraction: on the diagonal the class's recall. 0 in a row without pictures.
  double share(int64_t label, int64_t predicted) const;
  // The commonest cells off the diagonal, then by label and predicted class.
  std::vector<Cell> worst(int64_t most) const;
};

// Ties: the lower class, as in top_k_accuracy(). Errors: as the metrics'; Error unless every sample
// has exactly one label.
ConfusionMatrix confusion_matrix(const Predictions& predictions);

// [N] the class of every sample. Errors: Error unless each has exactly one.
std::vector<int64_t> only_labels(const Predictions& predictions);

}  // namespace mld
