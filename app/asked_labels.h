// The labels that predict and search are asked for: those a checkpoint knows, some of them, or
// names it never saw.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/cli.h"
#include "train/checkpoint.h"
#include "train/thresholds.h"

namespace mld {

// One column of scores.
struct AskedLabel {
  static constexpr int64_t kUnknown = -1;
  std::string name;
  int64_t id = kUnknown;  // among the checkpoint's classes
  bool seen = true;       // whether training showed it
  double threshold = kDefaultThreshold;
};

// The names that --labels, --labels-file or --label give, in their order; none if none was given.
// Errors: UsageError for an empty list; DataError for a file that cannot be read, names that are
// not UTF-8, or two that one word vector would stand for.
std::vector<std::string> asked_names(const LabelRequest& request);

// The labels to score with a checkpoint: all it knows, or those asked for. A name is a known class
// if its words are the same (Note [The vector of a label]).
// Errors: as asked_names; UsageError for a name that a model with fixed classes does not have.
std::vector<AskedLabel> asked_labels(const LabelRequest& request, const CheckpointInfo& info);

// These labels with word vectors: the checkpoint's for those it knows, else from --vectors.
// Errors: UsageError for an unknown name without --vectors; DataError as read_word_vectors, and for
// vectors of another width.
LabelSpace label_space_of(const std::vector<AskedLabel>& labels, const LabelRequest& request,
                          const CheckpointInfo& info);

}  // namespace mld
