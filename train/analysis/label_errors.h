// Labels that may be wrong, by confident learning: Northcutt, Jiang and Chuang 2021, "Confident
// learning: estimating uncertainty in dataset labels", arXiv 1911.00068.
//
// A class's threshold t is the mean score of the samples that are labelled with it (eq. 2 there). A
// sample is counted as the class with the highest score among those whose threshold it reaches
// (eq. 1); if that is not its label, the label is suspect. With class-conditional thresholds a
// class on which the model is unsure in general does not fill the list.
//
// The scores should be of pictures that the model was not trained on: of those that it was, it has
// learned the wrong labels too, and only gross errors remain suspect.
#pragma once

#include <cstdint>
#include <vector>

#include "train/ranking.h"

namespace mld {

struct LabelError {
  static constexpr int64_t kNone = -1;

  int64_t sample = 0;       // row of the predictions
  int64_t given = kNone;    // the class it is labelled with; kNone: a label seems to be missing
  int64_t likely = kNone;   // the class it seems to show; kNone: the label seems to be unfounded
  float score = 0;          // of `likely`, or of `given` where that is kNone
  double margin = 0;        // normalised margin, -1..1: score of the label - score of the other one

  bool operator==(const LabelError&) const = default;
};

// The order of lists: lowest margin first, then by sample, given and likely class.
bool worse(const LabelError& a, const LabelError& b);

struct LabelErrors {
  std::vector<LabelError> worst;  // the worst first
  int64_t found = 0;              // all of them
};

// Multi-label, one class against the rest, as two classes with scores p and 1 - p: `given` or
// `likely` is kNone. (The same reduction as in Thyagarajan et al. 2022, "Identifying incorrect
// annotations in multi-label classification data", arXiv 2211.13895.) From the known samples of
// class k, at most `most` of them; nothing if the class has no positive or no negative. Where
// both thresholds are reached, equal scores make no label suspect.
LabelErrors label_errors_of_class(RankedSamples ranking, int64_t k, int64_t most);

// Adds a class's errors to those of others; keeps `most`.
void add_errors(LabelErrors& all, const LabelErrors& of_class, int64_t most);

// One label a picture: as published. Of equal scores the label's, else the lower class's, counts.
// Errors: as check_probabilities(); Error unless every sample has exactly one label.
LabelErrors single_label_errors(const Predictions& predictions, int64_t most);

}  // namespace mld
