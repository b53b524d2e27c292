// mlinfer eval: the metrics of a checkpoint on a split.
#include <filesystem>

#include "app/infer.h"
#include "app/program.h"
#include "app/scored_split.h"
#include "data/text.h"
#include "train/kept_scores.h"
#include "train/run_folder.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The file of kept scores in the run folder that the checkpoint lies in.
fs::path scores_file(const EvalCommand& command) {
  const fs::path weights = fs::absolute(weights_file(command.checkpoint));
  const RunFolder run{weights.parent_path().parent_path()};
  require<UsageError>(fs::exists(run.config()),
                      "eval: --keep-scores: {} lies in no run folder, where scores are kept",
                      printable(command.checkpoint));
  return run.scores(command.split);
}

void keep_scores(const fs::path& path, const ScoredSplit& split) {
  std::error_code failed;  // reported when the file is written
  fs::create_directories(path.parent_path(), failed);
  const auto found = split.info.metrics.find("step");
  const double step = found == split.info.metrics.end() ? 0 : found->second;
  save_scores(path, split.scores,
              {step > 0 && step < 9e15 ? static_cast<int64_t>(step) : 0, split.info.weights});
  print(stderr, "mlinfer: {}: the scores, for mltrain report\n", printable(path.native()));
}

}  // namespace

ExitCode execute(const EvalCommand& command) {
  const fs::path kept = command.keep_scores ? scores_file(command) : fs::path();
  const ScoredSplit split = score(command);
  Evaluation result = evaluate(split.scores, split.info.class_names, split.one_label,
                               split.info.thresholds, split.info.seen);
  result.skipped = split.skipped;
  print_evaluation(command, result);
  if (command.keep_scores) {
    keep_scores(kept, split);
  }
  return ExitCode::ok;
}

}  // namespace mld
