// Progress of a run on stderr: on a terminal a line that is redrawn, elsewhere a line per interval.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "train/run_log.h"

namespace mld {

struct TerminalStyle {
  bool terminal = false;  // can redraw a line
  bool color = false;
  int width = 80;  // columns
};

// Stderr's: no terminal if TERM is "dumb"; colours unless NO_COLOR is set and not empty.
TerminalStyle stderr_style();

// Text in one of the basic colours (ANSI 31 red, 32 green, 33 yellow, 1 bold) if colours are on.
std::string colored(std::string_view text, int ansi, const TerminalStyle& style);

// Draws StepReports. Not thread-safe.
class Progress {
 public:
  using Write = std::function<void(std::string_view)>;
  using Clock = std::function<double()>;  // seconds, never backwards

  // interval: seconds between lines if they cannot be redrawn.
  Progress(const TerminalStyle& style, Write write, Clock clock, double interval = 30);

  // Counts a step and draws if it is time.
  void step(const StepReport& report);
  // Writes lines of text, replacing a progress line on the terminal.
  void print(std::string_view text);
  // The time until the next step (validation, saving) does not count as training time.
  void pause();

  double images_per_second() const { return seconds_ > 0 ? images_ / seconds_ : 0; }

 private:
  std::string describe(const StepReport& report) const;
  double eta_seconds(const StepReport& report) const;

  TerminalStyle style_;
  Write write_;
  Clock clock_;
  double interval_;
  double last_step_ = -1;      // its time; negative: paused
  double last_drawn_ = -1e9;
  // Recent steps, pictures and seconds, older ones with less weight.
  double steps_ = 0, images_ = 0, seconds_ = 0;
  bool line_shown_ = false;
};

// Progress, messages and a line per epoch on stderr; quiet: warnings and the epochs' lines only.
std::unique_ptr<LogSink> terminal_sink(bool quiet);

}  // namespace mld
