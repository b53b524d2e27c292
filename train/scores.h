// What a model says about a split.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/metrics.h"

namespace mld {

// The scores of every sample of a split: kBytes x N x K bytes, and the metrics take up to 20 x N
// bytes more per thread. COCO's val takes 16 MB; 100,000 pictures with 10,000 classes take 5 GB.
struct Scores {
  std::vector<float> scores{};   // [N, K] probabilities: sigmoid, or softmax for single-label
  std::vector<Label> targets{};  // [N, K]
  std::vector<int64_t> indices{};  // [N] the samples (bad pictures are left out)
  int64_t classes = 0;
  bool partial = false;  // nobody has looked for most classes of a picture (Open Images)
  int64_t split_size = 0;    // samples of the split, bad pictures included
  uint64_t fingerprint = 0;  // of the split, see fingerprint(const Dataset&)

  static constexpr int64_t kBytes = sizeof(float) + sizeof(Label);  // a sample and class
  Predictions predictions() const { return {scores, targets, classes}; }
};

// The weights that were scored.
struct ScoredWeights {
  int64_t step = 0;   // updates done
  std::string kind;   // "raw", or "ema" for the average

  bool operator==(const ScoredWeights&) const = default;
};

}  // namespace mld
