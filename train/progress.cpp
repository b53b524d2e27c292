#include "train/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include <fmt/core.h>

namespace mld {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kMemory = 0.98;  // weight of the past per step: about the last 50 count

bool environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

// At most `columns` characters of UTF-8 text.
std::string cut(const std::string& text, size_t columns) {
  size_t seen = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts && ++seen > columns) {
      return text.substr(0, i);
    }
  }
  return text;
}

// "[#####-----]"
std::string bar(double fraction, int cells) {
  const int full = std::clamp(static_cast<int>(fraction * cells), 0, cells);
  return "[" + std::string(static_cast<size_t>(full), '#') +
         std::string(static_cast<size_t>(cells - full), '-') + "]";
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

std::string sparkline(std::span<const double> values, size_t most) {
  constexpr std::string_view kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr int kHeights = 8;
  values = values.last(std::min(most, values.size()));
  double low = INFINITY, high = -INFINITY;
  for (const double value : values) {
    if (std::isfinite(value)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  std::string line;
  for (const double value : values) {
    if (!std::isfinite(value)) {
      line += ' ';
      continue;
    }
    const double height = high > low ? (value - low) / (high - low) : 0.5;
    line += kBlocks[std::min(static_cast<int>(height * kHeights), kHeights - 1)];
  }
  return line;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) {
    return "?";
  }
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) {
    return fmt::format("{} s", whole);
  }
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60)
                   : fmt::format("{}:{:02}", minutes, whole % 60);
}

Progress::Progress(const TerminalStyle& style, Write write, Clock clock, double interval)
    : style_(style), write_(std::move(write)), clock_(std::move(clock)), interval_(interval) {}

void Progress::step(const StepReport& report) {
  const double now = clock_();
  if (last_step_ >= 0) {
    steps_ = kMemory * steps_ + 1;
    images_ = kMemory * images_ + static_cast<double>(report.images);
    seconds_ = kMemory * seconds_ + (now - last_step_);
  }
  last_step_ = now;
  if (now - last_drawn_ < (style_.terminal ? kRedrawSeconds : interval_)) {
    return;
  }
  last_drawn_ = now;
  const std::string text = describe(report);
  if (style_.terminal) {
    // Carriage return, the line, clear what is left of the older one.
    write_("\r" + cut(text, static_cast<size_t>(std::max(style_.width - 1, 10))) + "\x1b[K");
    line_shown_ = true;
  } else {
    write_(text + "\n");
  }
}

void Progress::print(std::string_view text) {
  write_((line_shown_ ? "\r\x1b[K" : "") + std::string(text) + "\n");
  line_shown_ = false;
  last_drawn_ = style_.terminal ? -1e9 : last_drawn_;  // redraw below with the next step
}

void Progress::pause() { last_step_ = -1; }

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

// Of training alone: validations are not in it.
double Progress::eta_seconds(const StepReport& report) const {
  const int64_t left = (report.epochs - report.epoch) * report.batches - report.batch;
  return steps_ > 0 ? static_cast<double>(left) * seconds_ / steps_ : -1;
}

}  // namespace mld
