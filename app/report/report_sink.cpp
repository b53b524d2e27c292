// The report that training writes after every epoch.
#include "app/report.h"
#include "app/report/report_input.h"
#include "app/time_share.h"
#include "data/file.h"

namespace mld {
namespace {

constexpr int64_t kPictures = 100;  // of a split, decoded for their sizes
// Looking at scores and pictures takes at most this part of training's time.
constexpr double kShare = 0.01;
constexpr ShownCounts kShown{.classes = 8, .errors = 5, .label_errors = 30};

// Looks at the data once, and at scores and pictures after an epoch that was the best so far. Where
// that would take too long, the page has the earlier ones until there is time, or the run ends.
class ReportSink : public LogSink {
 public:
  ReportSink(RunFolder folder, const Config& config, const Splits& splits)
      : folder_(std::move(folder)), config_(config), splits_(splits) {}

  void epoch(const EpochReport& report) override {
    guarded([&] {
      if (!data_) {
        data_ = summarize(splits_, config_, kPictures);
        val_is_old_ = true;  // an earlier process may have kept scores
      }
      val_is_old_ = val_is_old_ || report.improved;
      write(report.improved ? &report : nullptr, report.epoch + 1 == report.epochs);
    });
  }
  void end(ExitCode code) override {
    if (code == ExitCode::ok && val_is_old_) {  // stopped, it will be resumed
      guarded([&] { write(nullptr, true); });
    }
  }

 private:
  // `best`: an epoch that was the best so far, just now. now: at any cost.
  void write(const EpochReport* best, bool now) {
    std::vector<std::string> gaps;
    std::vector<ReportRun> runs;
    runs.push_back(read_run(folder_.root, gaps));
    if (val_is_old_ && (now || share_.allows())) {
      share_.spend([&] {
        val_.reset();  // its memory first
        val_ = best != nullptr ? look_at(*best)
                               : read_scores(runs.front(), "val", splits_.val.get(), kShown, gaps);
      });
      val_is_old_ = false;
    }
    if (val_ && val_is_old_) {
      gaps.push_back(fmt::format("Curves and pictures are those of the weights after update {}, "
                                 "metrics those of better ones since; mltrain report shows all of "
                                 "the same", val_->step));
    }
    write_file_atomically(folder_.report(),
                          report_page({.runs = std::move(runs), .data = &*data_,
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
    shown.step = report.step;
    add_pictures(*splits_.val, *best.scores, shown);
    return shown;
  }

  void guarded(auto&& work) {
    try {
      work();
    } catch (const std::exception& error) {
      problem_ = fmt::format("{}: not written: {}", folder_.report().string(), error.what());
    }
  }

  RunFolder folder_;
  const Config& config_;
  const Splits& splits_;
  std::optional<DataSummary> data_;
  std::optional<SplitScores> val_;
  bool val_is_old_ = false;  // better weights have been scored since
  TimeShare share_{kShare};
};

}  // namespace

void add_report(RunLog& log, const RunFolder& folder, const Config& config, const Splits& splits) {
  log.add(std::make_unique<ReportSink>(folder, config, splits));
}

}  // namespace mld
