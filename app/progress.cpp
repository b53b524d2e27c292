#include "app/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fmt/core.h>

#include "data/text.h"

namespace mld {
namespace {

constexpr double kRedrawSeconds = 0.1, kLineSeconds = 30;  // between two drawings
constexpr double kMemory = 0.98;  // decay per step: averages over about the last 50 steps

bool environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// "[#####-----]"
std::string bar(double fraction, int cells) {
  const int full = std::clamp(static_cast<int>(fraction * cells), 0, cells);
  return fmt::format("[{:-<{}}]", std::string(static_cast<size_t>(full), '#'), cells);
}

}  // namespace

TerminalStyle stderr_style() {
  TerminalStyle style;
  const char* term = std::getenv("TERM");
  const bool dumb = term != nullptr && std::string_view(term) == "dumb";
  style.terminal = ::isatty(STDERR_FILENO) == 1 && !dumb;
  style.color = style.terminal && !environment("NO_COLOR");
  winsize size{};
  if (style.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    style.width = size.ws_col;
  }
  return style;
}

std::string colored(std::string_view text, int ansi, const TerminalStyle& style) {
  return style.color ? fmt::format("\x1b[{}m{}\x1b[0m", ansi, text) : std::string(text);
}

Progress::Progress(const TerminalStyle& style, bool quiet, Write write, Clock clock)
    : style_(style), quiet_(quiet), write_(std::move(write)), clock_(std::move(clock)) {}

void Progress::note(const Note& note) {
  const std::string text = printable_lines(note.text);
  if (note.kind == Note::Kind::warning) {
    print(colored("warning:", 33, style_) + " " + text);
  } else if (!quiet_) {
    print(text);
  }
}

void Progress::epoch(const EpochReport& report) {
  print(epoch_line(report));
  last_step_ = -1;  // what comes until the next step is not training time
}

void Progress::step(const StepReport& report) {
  if (quiet_) {
    return;
  }
  const double now = clock_();
  if (last_step_ >= 0) {
    steps_ = kMemory * steps_ + 1;
    images_ = kMemory * images_ + static_cast<double>(report.images);
    seconds_ = kMemory * seconds_ + (now - last_step_);
  }
  last_step_ = now;
  if (now - last_drawn_ < (style_.terminal ? kRedrawSeconds : kLineSeconds)) {
    return;
  }
  last_drawn_ = now;
  const std::string text = describe(report);
  if (style_.terminal) {
    // Carriage return, the line, then clear the rest of the previous one.
    const auto columns = static_cast<size_t>(std::max(style_.width - 1, 10));
    write_("\r" + text.substr(0, bytes_of_first(columns, text)) + "\x1b[K");
    line_shown_ = true;
  } else {
    write_(text + "\n");
  }
}

void Progress::print(std::string_view text) {
  write_((line_shown_ ? "\r\x1b[K" : "") + std::string(text) + "\n");
  line_shown_ = false;
  last_drawn_ = style_.terminal ? -1e9 : last_drawn_;  // redraw below at the next step
}

std::string Progress::describe(const StepReport& report) const {
  const double fraction = static_cast<double>(report.batch) /
                          static_cast<double>(std::max<int64_t>(report.batches, 1));
  std::string text = fmt::format("epoch {}/{} ", report.epoch + 1, report.epochs);
  text += style_.terminal ? fmt::format("{} {:3.0f} %", bar(fraction, 20), 100 * fraction)
                          : fmt::format("batch {}/{}", report.batch, report.batches);
  text += fmt::format("  loss {:.4g}  lr {:.2e}", report.loss, report.lr);
  if (seconds_ > 0) {
    text += fmt::format("  {:.1f} images/s  ETA {}", images_per_second(),
                        format_duration(eta_seconds(report)));
  }
  return text;
}

// Training time only, without validations.
double Progress::eta_seconds(const StepReport& report) const {
  const int64_t left = (report.epochs - report.epoch) * report.batches - report.batch;
  return steps_ > 0 ? static_cast<double>(left) * seconds_ / steps_ : -1;
}

// A write to a closed pipe fails silently: the run goes on.
static void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

std::unique_ptr<LogSink> terminal_sink(bool quiet) {
  return std::make_unique<Progress>(stderr_style(), quiet, write_stderr, monotonic_seconds);
}

}  // namespace mld
