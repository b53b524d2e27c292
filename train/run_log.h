// A run's log: sends events to a list of sinks.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "train/config.h"
#include "train/evaluate.h"
#include "train/run_folder.h"

namespace mld {

struct Note {
  enum class Kind { message, warning } kind = Kind::message;
  std::string text;  // one line or several
  int64_t step = 0;  // updates done at that time
};

// The state of a run after a step.
struct StepReport {
  int64_t epoch = 0, epochs = 0;    // epoch counted from 0
  int64_t batch = 0, batches = 0;   // batches done in the epoch, and all of them
  int64_t step = 0;                 // updates done
  int64_t images = 0;               // pictures in this step
  double loss = 0, lr = 0;
  double gradient_norm = 0;         // of all gradients together, before clipping
  // Filled in by the log: whether files record it (at most one step a second, and an epoch's last),
  // and the speed since the one before, validation left out.
  bool kept = false;
  double images_per_second = 0;
};

// The results of an epoch.
struct EpochReport {
  int64_t epoch = 0, epochs = 0, step = 0;
  double loss = 0;            // mean over the epoch's batches
  double lr = 0;              // of its last update
  std::string metric;         // train.best_metric
  bool zero_shot = false;     // whether val has unseen classes
  std::optional<Evaluation> raw{}, average{};  // on val, if validated; average: if there is one
  bool improved = false;      // raw or average is the best so far
  bool average_is_better = false;  // average is better than raw
  double best = -1;           // the metric of the best so far; -1: none yet
  std::vector<double> history{};  // the better of both metrics, per validation
  double seconds = 0;         // since the previous epoch's end

  // The better of raw and average by `metric`; null without validation.
  const Evaluation* better() const;
};

// A picture for people, such as the worst errors of an epoch.
struct PictureReport {
  std::string_view tag;          // its name in the logs: equal names are one series
  int64_t step = 0;              // updates done
  std::span<const uint8_t> png;  // the whole PNG file
};

// Receives events. Sinks that are files write each event when it comes.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void note(const Note&) {}
  virtual void step(const StepReport&) {}
  virtual void epoch(const EpochReport&) {}
  virtual void picture(const PictureReport&) {}
  // The run ends: ok, or stopped by a signal. Not called if an error ends it.
  virtual void end(ExitCode) {}
  // What could not be written, and why. Of each sink the log warns once, and the run goes on.
  const std::string& problem() const { return problem_; }

 protected:
  std::string problem_;
};

class RunLog {
 public:
  void add(std::unique_ptr<LogSink> sink) { sinks_.push_back(std::move(sink)); }
  // Adds the sinks of a run's folder (train/log_files.h), which continue after `step`, and sends
  // them the notes from before the folder was known.
  void open(const RunFolder& folder, int64_t step, const Config& config = {});

  void message(const std::string& text) { note(Note::Kind::message, text); }
  void warning(const std::string& text) { note(Note::Kind::warning, text); }
  void step(StepReport report);    // fills in what the log knows
  void epoch(EpochReport report);  // fills in its seconds
  void picture(std::string_view tag, std::span<const uint8_t> png);
  void end(ExitCode code);

 private:
  void note(Note::Kind kind, const std::string& text);
  template <class Tell>
  void tell(Tell&& tell);

  std::vector<std::unique_ptr<LogSink>> sinks_;
  std::vector<Note> early_notes_;
  std::set<const LogSink*> failed_;  // and were warned of
  bool opened_ = false;
  int64_t step_ = 0;
  double epoch_began_ = 0;
  double kept_ = -1e9;        // when a step was kept last
  double counted_since_ = 0;  // when the first of the images below began
  int64_t images_ = 0;
};

struct LineStyle {
  int width = 0;     // columns to which the sparkline is shortened; 0: no limit
  bool utf8 = true;  // else ASCII
};

// An epoch in one line: "epoch 2/3  loss 2.5  mAP 38.50  averaged 40.00  best 40.00  ▁█  3:07".
std::string epoch_line(const EpochReport& report, const LineStyle& style = {});

// The last `limit` values as blocks of eight heights, between their smallest and largest, in ASCII
// as signs of eight weights. If all are equal, they have middle height; values that are not finite
// are blanks.
std::string sparkline(std::span<const double> values, size_t limit = 40, bool utf8 = true);

// "42 s", "3:07", "2:15:09"; "?" for seconds that are negative or not finite.
std::string format_duration(double seconds);

// Reads a clock that never goes backwards.
double monotonic_seconds();

}  // namespace mld
