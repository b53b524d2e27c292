// The scores that a run's best weights give a split, kept in the run folder (docs/formats.md): from
// them comes what a report shows of classes and single pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "train/scores.h"

namespace mld {

struct CheckpointInfo;

// A file's bytes but for its header; what scores take in memory is about as much.
int64_t score_bytes(int64_t samples, int64_t classes);

// Training keeps at most so much: every improvement writes it. COCO's val takes 16 MB, ImageNet's
// 250.
constexpr int64_t kMostScoreBytes = int64_t{256} << 20;
inline bool may_keep_scores(int64_t samples, int64_t classes) {
  return score_bytes(samples, classes) <= kMostScoreBytes;
}

// Those of a checkpoint; step 0 if it does not say how many updates they had seen.
ScoredWeights scored_weights(const CheckpointInfo& info);

struct KeptScores {
  Scores scores;
  ScoredWeights weights;
};

// Replaces the file atomically; equal scores give equal bytes. Takes as much memory again as the
// scores. Errors: Error naming the file (an old one stays as it was).
void save_scores(const std::filesystem::path& path, const Scores& scores,
                 const ScoredWeights& weights);

// Errors: DataError naming the file: missing, malformed, another version, sizes that disagree,
// scores outside [0, 1], samples that are not in ascending order or beyond the split.
KeptScores load_scores(const std::filesystem::path& path);

}  // namespace mld
