// The report that training writes.
#include <algorithm>
#include <iterator>
#include <utility>

#include "app/report.h"
#include "app/report/report_input.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr LookLimits kLook{.pictures = 100, .seconds = 2};  // of a split, for their sizes
constexpr ShownCounts kShown{.classes = 8, .errors = 5, .label_errors = 30};

// Looks at the data once, and with each page at the scores of the best epoch so far.
class ReportSink : public LogSink {
 public:
  ReportSink(RunFolder folder, const Config& config, const Splits& splits, TimeShare& time)
      : folder_(std::move(folder)), config_(config), splits_(splits), time_(time) {}

  void epoch(const EpochReport& report) override {
    page_is_old_ = true;
    if (report.improved) {
      val_is_old_ = true;
      best_ = &report;
    }
    const bool last = report.epoch + 1 == report.epochs;
    if (!std::exchange(begun_, true) || last || time_.allows(report.step)) {
      write();
    }
    best_ = nullptr;
  }
  void end(ExitCode) override {
    if (page_is_old_) {
      write();
    }
  }

 private:
  void write() try {
    time_.spend([&] { write_page(); });
    page_is_old_ = false;
  } catch (const std::exception& error) {
    problem_ = fmt::format("{}: not written: {}", folder_.report().string(), error.what());
  }

  void write_page() {
    std::vector<std::string> gaps;
    std::vector<ReportRun> runs;
    runs.push_back(read_run(folder_.root, gaps));
    if (!data_) {
      data_ = or_gap("Nothing about the data", data_gaps_,
                     [&] { return summarize(splits_, config_, kLook); })
                  .value_or(DataSummary());
    }
    if (val_is_old_) {
      val_.reset();  // its memory first
      val_ = best_ != nullptr
                 ? or_gap("Nothing about single pictures", gaps, [&] { return look_at(*best_); })
                       .value_or(std::nullopt)
                 : read_scores(runs.front(), "val", splits_.val.get(), kShown, gaps);
      val_is_old_ = !val_;
    }
    std::ranges::copy(data_gaps_, std::back_inserter(gaps));
    write_file_atomically(
        folder_.report(),
        report_page({.runs = std::move(runs), .data = data_gaps_.empty() ? &*data_ : nullptr,
                     .gaps = std::move(gaps), .val = val_ ? &*val_ : nullptr}));
  }

  std::optional<SplitScores> look_at(const EpochReport& report) const {
    const Evaluation& best = *report.better();
    if (!best.scores) {
      return std::nullopt;
    }
    ScoredClasses classes{.names = {}, .thresholds = best.thresholds(),
                          .single_label = best.single_label};
    for (const ClassMetrics& one : best.classes) {
      classes.names.push_back(one.name);
    }
    SplitScores shown = analyze_scores("val", *best.scores, std::move(classes), kShown);
    shown.weights = {report.step, report.average_is_better ? "ema" : "raw"};
    shown.run = shell_word(folder_.root.native());
    add_pictures(*splits_.val, *best.scores, shown);
    return shown;
  }

  RunFolder folder_;
  const Config& config_;
  const Splits& splits_;
  TimeShare& time_;
  std::optional<DataSummary> data_;  // after the first page
  std::vector<std::string> data_gaps_;
  std::optional<SplitScores> val_;
  const EpochReport* best_ = nullptr;  // while its epoch's page is written
  bool val_is_old_ = true;             // an earlier process may have kept scores
  bool begun_ = false, page_is_old_ = false;
};

}  // namespace

void add_report(RunLog& log, const RunFolder& folder, const Config& config, const Splits& splits,
                TimeShare& time) {
  log.add(std::make_unique<ReportSink>(folder, config, splits, time));
}

}  // namespace mld
