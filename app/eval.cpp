// mlinfer eval: the metrics of a checkpoint on a split.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "app/infer.h"
#include "app/program.h"
#include "app/scored_split.h"
#include "data/file.h"
#include "data/text.h"
#include "train/kept_scores.h"
#include "train/run_folder.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The run folder that the checkpoint lies in.
RunFolder run_of(const EvalCommand& command) {
  const fs::path weights = fs::absolute(weights_file(command.checkpoint));
  RunFolder run{weights.parent_path().parent_path()};
  require<UsageError>(fs::exists(run.config()),
                      "eval: --keep-scores: {} lies in no run folder, where scores are kept",
                      printable(command.checkpoint));
  std::error_code differs;
  require<UsageError>(fs::equivalent(weights, run.best(), differs),
                      "eval: --keep-scores keeps what a run's best weights say, and {} is another "
                      "file; give the run folder, {}", printable(weights.native()),
                      printable(run.root.native()));
  return run;
}

// What a run's report shows must be of the run's own data and settings.
void require_own_settings(const EvalCommand& command) {
  constexpr std::string_view kFree[] = {"device=", "threads=", "loading.workers=",
                                        "train.batch_size="};
  require<UsageError>(command.data.empty(), "eval: --keep-scores keeps the scores of the run's own "
                      "data; leave out --data or --keep-scores");
  for (const std::string& change : command.overrides) {
    const bool is_free = std::ranges::any_of(
        kFree, [&](std::string_view key) { return change.starts_with(key); });
    require<UsageError>(is_free, "eval: --keep-scores keeps the scores of the run's own settings; "
                        "leave out {} or --keep-scores", printable(change));
  }
}

// Where a run's scores are kept; no other process writes there as long as it lives.
class ScoresPlace {
 public:
  explicit ScoresPlace(const EvalCommand& command)
      : run_(run_of(command)), path_(run_.scores(command.split)) {
    require_own_settings(command);
    make_writable_folder(path_.parent_path());
    try {
      lock_.emplace(run_.root);
    } catch (const DataError&) {
      fail<DataError>("eval: --keep-scores: {} is in use: a run that is training keeps the scores "
                      "of val itself; when it has ended, those of train can be kept too",
                      printable(run_.root.native()));
    }
  }

  void keep(const ScoredSplit& split) const {
    save_scores(path_, split.scores, scored_weights(split.info));
    print(stderr, "mlinfer: {}: the scores, for mltrain report\n", printable(path_.native()));
  }

 private:
  RunFolder run_;
  fs::path path_;
  std::optional<FolderLock> lock_;
};

}  // namespace

ExitCode execute(const EvalCommand& command) {
  std::optional<ScoresPlace> place;  // first: scoring may take hours
  if (command.keep_scores) {
    place.emplace(command);
  }
  const ScoredSplit split = score(command);
  Evaluation result = evaluate(split.scores, split.info.class_names, split.one_label,
                               split.info.thresholds, split.info.seen);
  result.skipped = split.skipped;
  print_evaluation(command, result);
  if (place) {
    place->keep(split);
  }
  return ExitCode::ok;
}

}  // namespace mld
