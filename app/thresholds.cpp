// mlinfer thresholds: fits a threshold per class and keeps them in the checkpoint.
#include "app/infer.h"
#include "app/program.h"
#include "app/scored_split.h"
#include "data/text.h"
#include "train/run_folder.h"
#include "train/thresholds.h"

namespace mld {

// On stderr: classes whose threshold is not what was asked for.
static void tell_of_exceptions(const ThresholdsCommand& command, const Evaluation& evaluation) {
  std::vector<std::string> without, never;
  for (size_t k = 0; k < evaluation.classes.size(); ++k) {
    const ClassMetrics& metrics = evaluation.classes[k];
    if (metrics.positives == 0) {
      without.push_back(metrics.name);
    } else if (evaluation.fitted->classes[k].threshold == kNever) {
      never.push_back(metrics.name);
    }
  }
  if (!without.empty()) {
    print(stderr, "mlinfer: no positive on {}, so the threshold stays {}: {}\n",
          printable(command.split), kDefaultThreshold, name_list(without));
  }
  if (!never.empty()) {
    print(stderr, "mlinfer: no threshold reaches the precision {}, so never predicted: {}\n",
          command.precision.value_or(0), name_list(never));
  }
}

ExitCode execute(const ThresholdsCommand& command) {
  const std::filesystem::path file = weights_file(command.checkpoint);
  require<UsageError>(read_checkpoint_info(file).task != Task::single_label,
                      "thresholds: {} is a single-label checkpoint: its answer is the best class",
                      printable(command.checkpoint));
  ScoredSplit split = score(command);
  split.info.thresholds = fit_thresholds(split.scores.predictions(), command.precision);
  Evaluation result = evaluate(split.scores, split.info.class_names, split.one_label,
                               split.info.thresholds, split.info.seen);
  result.skipped = split.skipped;
  save_model(file, load_checkpoint(file).tensors, split.info);
  print_evaluation(command, result);
  tell_of_exceptions(command, result);
  print(stderr, "mlinfer: {}: thresholds for {}, fitted on {}\n", printable(file.native()),
        command.precision ? fmt::format("a precision of {}", *command.precision) : "the best F1",
        printable(command.split));
  return ExitCode::ok;
}

}  // namespace mld
