#include "train/run_log.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "data/text.h"
#include "train/log.h"
#include "train/progress.h"

namespace mld {
namespace {

double monotonic_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// "2024-05-01T12:34:56Z"
std::string timestamp() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void write_stderr(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

class FolderRunLog : public RunLog {
 public:
  explicit FolderRunLog(bool quiet)
      : quiet_(quiet), style_(stderr_style()), progress_(style_, write_stderr, monotonic_seconds) {}

  void open(const RunFolder& folder, int64_t step) override {
    cut_csv(folder.results(), step);
    cut_jsonl(folder.events(), step);
    results_.emplace(folder.results());
    events_.emplace(folder.events());
    text_.emplace(folder.text_log());
    if (results_->empty()) {
      check(results_->append("epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds"));
    }
    step_ = step;
    epoch_began_ = monotonic_seconds();
    event(json_object({{"event", "start"}, {"step", step_}, {"time", timestamp()}}));
    for (const auto& [kind, text] : std::exchange(pending_, {})) {
      keep(kind, text);
    }
  }

  void message(const std::string& text) override {
    keep("message", text);
    if (!quiet_) {
      progress_.print(printable_lines(text));
    }
  }

  void warning(const std::string& text) override {
    keep("warning", text);
    progress_.print(colored("warning:", 33, style_) + " " + printable_lines(text));
  }

  void step(const StepReport& report) override {
    constexpr double kSecondsBetweenEvents = 1;
    step_ = report.step;
    epochs_ = report.epochs;
    const double now = monotonic_seconds();
    if (!quiet_) {
      progress_.step(report);
    }
    if (now - last_event_ >= kSecondsBetweenEvents || report.batch == report.batches) {
      last_event_ = now;
      event(json_object({{"event", "step"}, {"step", report.step}, {"epoch", report.epoch + 1},
                         {"loss", report.loss}, {"lr", report.lr}, {"time", timestamp()}}));
    }
  }

  void epoch(const EpochReport& report) override {
    step_ = report.step;
    const double seconds = monotonic_seconds() - epoch_began_;
    epoch_began_ += seconds;
    write_row(report, seconds);
    const std::string line = describe(report, seconds);
    keep_text(line);
    progress_.print(line);
    progress_.pause();
  }

 private:
  void write_row(const EpochReport& report, double seconds) {
    const bool average = report.ema_metric >= 0;
    if (results_) {
      std::string row = fmt::format("{},{},{:.8g},{:.8g},{},", report.epoch + 1, report.step,
                                    report.loss, report.lr, csv_field(report.metric));
      row += report.validated ? fmt::format("{:.8g}", report.raw_metric) : "";
      row += report.validated && average ? fmt::format(",{:.8g}", report.ema_metric) : ",";
      row += fmt::format(",{:.8g},{:.1f}", report.best_metric, seconds);
      check(results_->append(row));
    }
    event(json_object({{"event", "epoch"}, {"step", report.step}, {"epoch", report.epoch + 1},
                       {"loss", report.loss}, {"lr", report.lr}, {"metric", report.metric},
                       {"validated", report.validated}, {"raw", report.raw_metric},
                       {"ema", report.ema_metric}, {"best", report.best_metric},
                       {"seconds", seconds}, {"time", timestamp()}}));
  }

  std::string describe(const EpochReport& report, double seconds) const {
    std::string line = fmt::format("epoch {}", report.epoch + 1);
    line += epochs_ > 0 ? fmt::format("/{}", epochs_) : "";
    line += fmt::format("  loss {:.4g}", report.loss);
    if (report.validated) {
      line += fmt::format("  {} {:.2f}", report.metric, report.raw_metric);
      line += report.ema_metric >= 0 ? fmt::format("  averaged {:.2f}", report.ema_metric) : "";
      line += fmt::format("  best {:.2f}  {}", report.best_metric, sparkline(report.history));
    }
    return line + "  " + format_duration(seconds);
  }

  void keep(const char* kind, const std::string& text) {
    if (!text_) {
      pending_.emplace_back(kind, text);
      return;
    }
    keep_text(std::string(kind) + ": " + printable_lines(text));
    event(json_object({{"event", kind}, {"step", step_}, {"text", text}, {"time", timestamp()}}));
  }
  void keep_text(const std::string& line) {
    if (text_) {
      check(text_->append(timestamp() + " " + line));
    }
  }
  void event(const std::string& object) {
    if (events_) {
      check(events_->append(object));
    }
  }
  // A log that cannot be written is told once and does not stop the run.
  void check(bool written) {
    if (!written && !failed_) {
      failed_ = true;
      progress_.print(colored("warning:", 33, style_) +
                      " the run's log files cannot be written (disk full?); the run goes on");
    }
  }

  bool quiet_;
  TerminalStyle style_;
  Progress progress_;
  std::optional<LineFile> results_, events_, text_;
  std::vector<std::pair<const char*, std::string>> pending_;  // until the files are open
  int64_t step_ = 0, epochs_ = 0;
  double last_event_ = -1e9, epoch_began_ = monotonic_seconds();
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<RunLog> make_run_log(bool quiet) { return std::make_unique<FolderRunLog>(quiet); }

}  // namespace mld
