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

// Progress, messages and a line per epoch; quiet: warnings and the epochs' lines only. Validation
// and saving, between an epoch's line and the next step, do not count as training time.
class Progress : public LogSink {
 public:
  using Write = std::function<void(std::string_view)>;
  using Clock = std::function<double()>;  // seconds, never backwards

  Progress(const TerminalStyle& style, bool quiet, Write write, Clock clock);

  void note(const Note& note) override;
  void step(const StepReport& report) override;  // draws if it is time
  void epoch(const EpochReport& report) override;

  double images_per_second() const { return seconds_ > 0 ? images_ / seconds_ : 0; }

 private:
  // Writes lines of text, replacing a progress line on the terminal.
  void print(std::string_view text);
  std::string describe(const StepReport& report) const;
  double eta_seconds(const StepReport& report) const;

  TerminalStyle style_;
  bool quiet_;
  Write write_;
  Clock clock_;
  double last_step_ = -1;      // its time; negative: paused
  double last_drawn_ = -1e9;
  // Recent steps, pictures and seconds, older ones with less weight.
  double steps_ = 0, images_ = 0, seconds_ = 0;
  bool line_shown_ = false;
};

// A Progress on stderr.
std::unique_ptr<LogSink> terminal_sink(bool quiet);

}  // namespace mld
