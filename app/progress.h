// Progress of a run on stderr: on a terminal a line that is redrawn, elsewhere a line per interval.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "app/terminal.h"
#include "train/run_log.h"

namespace mld {

// One line about how far something is, and other lines above it. On a terminal it is redrawn within
// the width and removed in the end, however that comes; elsewhere each is a line of its own.
class ProgressLine {
 public:
  using Write = std::function<void(std::string_view)>;
  using Clock = std::function<double()>;  // seconds, never backwards

  ProgressLine(const TerminalStyle& style, Write write, Clock clock)
      : style_(style), write_(std::move(write)), clock_(std::move(clock)) {}
  ProgressLine(ProgressLine&&) = default;
  ~ProgressLine() { clear(); }

  const TerminalStyle& style() const { return style_; }
  double now() const { return clock_(); }
  // Whether it is time to draw again: not faster than the eye can follow, elsewhere now and then.
  bool due() const;
  void draw(std::string_view text);
  // Writes lines of text, replacing a progress line on the terminal; it is then due at once.
  void print(std::string_view text);
  void clear();  // removes the line

 private:
  TerminalStyle style_;
  Write write_;
  Clock clock_;
  double last_drawn_ = -1e9;
  bool shown_ = false;
};

// "[#####-----]  42 %", `cells` characters wide between the brackets.
std::string progress_bar(double fraction, int cells);

// Writes to stderr; to a closed pipe nothing.
void write_stderr(std::string_view text);

// Progress of pictures through a model, on a terminal only.
class PictureProgress {
 public:
  PictureProgress(ProgressLine line, int64_t pictures)
      : line_(std::move(line)), pictures_(pictures), began_(line_.now()) {}

  void done(int64_t pictures);  // so many in all
  void print(std::string_view text) { line_.print(text); }
  void clear() { line_.clear(); }

 private:
  ProgressLine line_;
  int64_t pictures_;
  double began_;
};

// Progress of reading a large file, on a terminal only; the line goes when the file is read.
std::function<void(int64_t done, int64_t bytes)> reading_progress(std::string what,
                                                                  ProgressLine line);

// Progress, messages and a line per epoch; quiet: warnings and the epochs' lines only. Validation
// and saving, between an epoch's last step and the next one's first, do not slow the rate down, but
// the estimate counts the mean of those seen, once per epoch that is left. On narrow terminals the
// line says less.
class Progress : public LogSink {
 public:
  Progress(const TerminalStyle& style, bool quiet, ProgressLine::Write write,
           ProgressLine::Clock clock);

  void note(const Note& note) override;
  void step(const StepReport& report) override;  // draws if it is time
  void epoch(const EpochReport& report) override;

  double images_per_second() const { return seconds_ > 0 ? images_ / seconds_ : 0; }

 private:
  std::string describe(const StepReport& report) const;
  double eta_seconds(const StepReport& report) const;

  ProgressLine line_;
  bool quiet_;
  double last_step_ = -1;   // its time; negative: none yet
  bool epoch_ended_ = false;  // since the last step
  double pauses_ = 0, pause_seconds_ = 0;  // between epochs
  // Recent steps, pictures and seconds, older ones with less weight.
  double steps_ = 0, images_ = 0, seconds_ = 0;
};

// A Progress on stderr.
std::unique_ptr<LogSink> terminal_sink(bool quiet);

}  // namespace mld
