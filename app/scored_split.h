// A checkpoint's scores on labelled pictures, for the commands that compare the two.
#pragma once

#include "app/cli.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"

namespace mld {

struct ScoredSplit {
  CheckpointInfo info;
  Scores scores;
  int64_t skipped = 0;  // unreadable pictures; each was named on stderr
  bool one_label = false;
};

// Runs the checkpoint over the split that the command names. Errors: DataError for a checkpoint or
// data that cannot be read, or if their classes differ; UsageError if nothing says where data is.
ScoredSplit score(const SplitCommand& command);

// Prints the evaluation, as the command wants it.
void print_evaluation(const SplitCommand& command, const Evaluation& evaluation);

}  // namespace mld
