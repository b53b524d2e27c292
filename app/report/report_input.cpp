// mltrain report: from run folders and their data to a page.
#include "app/report/report_input.h"

#include <algorithm>

#include "app/config_file.h"
#include "app/program.h"
#include "app/report.h"
#include "app/report/run_names.h"
#include "data/file.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/kept_scores.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPictures = 500;  // of a split, decoded for their sizes
constexpr ShownCounts kShown;

ScoredClasses scored_classes(const ReportRun& run) {
  ScoredClasses classes{.names = {}, .thresholds = {},
                        .single_label = run.config.config.task == Task::single_label};
  for (const KeptEvaluation::PerClass& one : run.best->classes) {
    classes.names.push_back(one.name);
    if (one.threshold) {
      classes.thresholds.push_back(*one.threshold);
    }
  }
  if (classes.thresholds.size() != classes.names.size()) {
    classes.thresholds.clear();
  }
  return classes;
}

// f(), whose errors that say that something is not there become a gap.
template <class F>
auto or_gap(const char* what, std::vector<std::string>& gaps, F&& f)
    -> std::optional<decltype(f())> {
  try {
    return f();
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    gaps.push_back(fmt::format("{}: {}", what, error.what()));
  } catch (const fs::filesystem_error& error) {
    gaps.push_back(fmt::format("{}: {}", what, error.what()));
  }
  return std::nullopt;
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
                       [&] { return summarize(*splits, config, kPictures); });
    seen.attention = look_at_attention(run, *splits->val, gaps);
  }
  const std::string folder = shell_word(run.folder.root.native());
  if (run.best && !fs::exists(run.folder.scores("val"))) {
    gaps.push_back(fmt::format("No scores are kept, so nothing is shown of single pictures: "
                               "mlinfer eval {} --keep-scores", folder));
  }
  seen.val = read_scores(run, "val", splits ? splits->val.get() : nullptr, kShown, gaps);
  if (seen.val && fs::exists(run.folder.scores("train"))) {
    // As `mlinfer eval` opens it, which scored it.
    const auto train = or_gap("No pictures of train", gaps, [&] {
      const LabelSpace space = read_checkpoint_info(run.folder.root).label_space();
      return open_dataset(data_options(config, space), "train", Purpose::evaluation);
    });
    seen.train = read_scores(run, "train", train ? train->get() : nullptr, kShown, gaps);
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

std::optional<SplitScores> read_scores(const ReportRun& run, const std::string& split,
                                       const Dataset* data, const ShownCounts& counts,
                                       std::vector<std::string>& gaps) {
  const fs::path file = run.folder.scores(split);
  if (!run.best || !fs::exists(file)) {
    return std::nullopt;
  }
  return or_gap("Nothing about single pictures", gaps, [&] {
    const KeptScores kept = load_scores(file);
    SplitScores shown = analyze_scores(split, kept.scores, scored_classes(run), counts);
    shown.step = kept.weights.step;
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
  const LookedAt seen = several ? LookedAt() : look_at(runs.front(), gaps);
  const RunFolder first = runs.front().folder;
  const fs::path out = !command.out.empty() ? fs::path(command.out)
                       : several            ? first.comparison()
                                            : first.report();
  write_file_atomically(out, report_page({.runs = std::move(runs), .data = pointer(seen.data),
                                          .gaps = std::move(gaps), .val = pointer(seen.val),
                                          .train = pointer(seen.train),
                                          .attention = pointer(seen.attention)}));
  print(stdout, "{}\n", printable(out.native()));
  return ExitCode::ok;
}

}  // namespace mld
