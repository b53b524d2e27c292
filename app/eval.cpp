// mlinfer eval: the metrics of a checkpoint on a split.
#include "app/infer.h"
#include "app/scored_split.h"

namespace mld {

ExitCode execute(const EvalCommand& command) {
  const ScoredSplit split = score(command);
  Evaluation result = evaluate(split.scores, split.info.class_names, split.one_label,
                               split.info.thresholds, split.info.seen);
  result.skipped = split.skipped;
  print_evaluation(command, result);
  return ExitCode::ok;
}

}  // namespace mld
