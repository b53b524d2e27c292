// mltrain report: from run folders and their data to a page.
#include "app/report/report_input.h"

#include <algorithm>
#include <cmath>

#include "app/config_file.h"
#include "app/program.h"
#include "app/report.h"
#include "app/report/page_frame.h"
#include "app/report/run_names.h"
#include "data/file.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/kept_scores.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr LookLimits kLook{.pictures = 500, .seconds = 20};  // of a split, for their sizes
constexpr ShownCounts kShown;
constexpr ShownCounts kShownOfTrain{.classes = 0};  // suspect labels only

std::string shell_folder(const ReportRun& run) {
  return shell_word(run.folder.root.native());
}

// "the averaged weights after update 40"
std::string weights_text(const ScoredWeights& weights) {
  return fmt::format("the {} weights after update {}", weights.kind == "ema" ? "averaged" : "raw",
                     weights.step);
}

// Why scores of val cannot stand beside val/metrics.json; "": they can.
std::string difference(const ReportRun& run, const KeptScores& kept) {
  const std::optional<ScoredWeights>& measured = run.best->weights;
  const int64_t samples = std::ssize(kept.scores.indices);
  if (measured && *measured != kept.weights) {
    return fmt::format("val/metrics.json is of {}, the kept scores are of {}",
                       weights_text(*measured), weights_text(kept.weights));
  }
  if (run.best->samples != samples) {
    return fmt::format("val/metrics.json is of {}, the kept scores are of {}",
                       counted(run.best->samples, "picture"), counted(samples, "picture"));
  }
  return "";
}

ScoredClasses scored_classes(const ReportRun& run) {
  ScoredClasses classes{.names = {}, .thresholds = {},
                        .single_label = run.config.config.task == Task::single_label};
  for (const KeptEvaluation::PerClass& one : run.best->classes) {
    classes.names.push_back(one.name);
    if (one.threshold) {
      classes.thresholds.push_back(*one.threshold);
    }
  }
  if (!run.best->refitted.empty()) {
    classes.thresholds = run.best->refitted;
  }
  if (classes.thresholds.size() != classes.names.size()) {
    classes.thresholds.clear();
  }
  return classes;
}

// What a page of one run shows of its data and scores.
struct LookedAt {
  std::optional<DataSummary> data;
  std::optional<SplitScores> val, train;
  std::optional<AttentionSummary> attention;
};

LookedAt look_at(const ReportRun& run, std::vector<std::string>& gaps) {
  LookedAt seen;
  Config config = run.config.config;
  config.data.vectors.clear();  // large, and nothing here needs them
  const std::optional<Splits> splits =
      or_gap("Nothing about the data", gaps, [&] { return open_splits(data_options(config)); });
  if (splits) {
    seen.data = or_gap("Nothing about the data", gaps,
                       [&] { return summarize(*splits, config, kLook); });
    seen.attention = look_at_attention(run, *splits->val, gaps);
  }
  if (run.best && !fs::exists(run.folder.scores("val"))) {
    gaps.push_back(fmt::format("No scores are kept, so nothing is shown of single pictures: "
                               "mlinfer eval {} --keep-scores", shell_folder(run)));
  }
  seen.val = read_scores(run, "val", splits ? splits->val.get() : nullptr, kShown, gaps);
  if (seen.val && fs::exists(run.folder.scores("train"))) {
    // As `mlinfer eval` opens it, which scored it.
    const auto train = or_gap("No pictures of train", gaps, [&] {
      const LabelSpace space = read_checkpoint_info(run.folder.root).label_space();
      return open_dataset(data_options(config, space), "train", Purpose::evaluation);
    });
    seen.train = read_scores(run, "train", train ? train->get() : nullptr, kShownOfTrain,
                             gaps);
  }
  return seen;
}

template <class T>
const T* pointer(const std::optional<T>& value) {
  return value ? &*value : nullptr;
}

}  // namespace

ReportRun read_run(const fs::path& root, std::vector<std::string>& gaps) {
  const RunFolder folder{root};
  require<DataError>(fs::exists(folder.config()), "{}: no run folder: it has no config.toml",
                     printable(root.native()));
  const std::string config = read_text_file(folder.config(), kMaxConfigBytes);
  ReportRun run{.folder = folder, .name = fs::absolute(root).lexically_normal().filename().native(),
                .config = parse_kept_config(config, folder.config().native()),
                .history = read_history(folder), .best = {}};
  if (run.name.empty()) {  // the path ends in a slash
    run.name = fs::absolute(root).lexically_normal().parent_path().filename().native();
  }
  try {
    run.best = read_kept_evaluation(run.folder);
  } catch (const DataError& error) {
    gaps.push_back(error.what());
  }
  return run;
}

void compare_with_weights(ReportRun& run, std::vector<std::string>& gaps) {
  if (!run.best || !fs::exists(run.folder.best())) {
    return;
  }
  const auto info = or_gap("Thresholds are those of val/metrics.json", gaps,
                           [&] { return read_checkpoint_info(run.folder.best()); });
  if (!info) {
    return;
  }
  const ScoredWeights saved = scored_weights(*info);
  if (run.best->weights && *run.best->weights != saved) {
    gaps.push_back(fmt::format("val/metrics.json is of {}, weights/best.safetensors has {}: the "
                               "run is training, or ended before it saved; to go on: mltrain "
                               "--resume {}", weights_text(*run.best->weights), weights_text(saved),
                               shell_folder(run)));
    return;
  }
  const std::vector<KeptEvaluation::PerClass>& classes = run.best->classes;
  bool same = true;
  for (size_t k = 0; k < classes.size() && k < info->thresholds.size(); ++k) {
    constexpr double kRounding = 1e-6;  // of text
    same = same && classes[k].threshold &&
           std::abs(*classes[k].threshold - info->thresholds[k]) < kRounding;
  }
  if (!same && info->thresholds.size() == classes.size()) {
    run.best->refitted = info->thresholds;
  }
}

std::optional<SplitScores> read_scores(const ReportRun& run, const std::string& split,
                                       const Dataset* data, const ShownCounts& counts,
                                       std::vector<std::string>& gaps) {
  const fs::path file = run.folder.scores(split);
  if (!run.best || !fs::exists(file)) {
    return std::nullopt;
  }
  return or_gap("Nothing about single pictures", gaps, [&] {
    const KeptScores kept = load_scores(file);
    const std::string different = split == "val" ? difference(run, kept) : "";
    require<DataError>(different.empty(), "{}; to score the best weights: mlinfer eval {} "
                       "--keep-scores", different, shell_folder(run));
    SplitScores shown = analyze_scores(split, kept.scores, scored_classes(run), counts);
    shown.weights = kept.weights;
    shown.run = shell_folder(run);
    if (data != nullptr) {
      add_pictures(*data, kept.scores, shown);
    }
    return shown;
  });
}

ExitCode write_report(const ReportCommand& command) {
  std::vector<std::string> gaps;
  std::vector<ReportRun> runs;
  for (const std::string& run : command.runs) {
    runs.push_back(read_run(run, gaps));
  }
  const auto names = names_apart({command.runs.begin(), command.runs.end()});
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].name = names[i];
  }
  const bool several = runs.size() > 1;
  const RunFolder first = runs.front().folder;
  const fs::path out = !command.out.empty() ? fs::path(command.out)
                       : several            ? first.comparison()
                                            : first.report();
  require_page_place(out, "report: --out");
  if (!several) {
    compare_with_weights(runs.front(), gaps);
  }
  const LookedAt seen = several ? LookedAt() : look_at(runs.front(), gaps);
  write_file_atomically(out, report_page({.runs = std::move(runs), .data = pointer(seen.data),
                                          .gaps = std::move(gaps), .val = pointer(seen.val),
                                          .train = pointer(seen.train),
                                          .attention = pointer(seen.attention)}));
  print(stdout, "{}\n", printable(out.native()));
  return ExitCode::ok;
}

}  // namespace mld
