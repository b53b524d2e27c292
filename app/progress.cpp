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

std::string progress_bar(double fraction, int cells) {
  const int full = std::clamp(static_cast<int>(fraction * cells), 0, cells);
  return fmt::format("[{:-<{}}] {:3.0f} %", std::string(static_cast<size_t>(full), '#'), cells,
                     100 * fraction);
}

bool ProgressLine::due() const {
  return now() - last_drawn_ >= (style_.terminal ? kRedrawSeconds : kLineSeconds);
}

void ProgressLine::draw(std::string_view text) {
  last_drawn_ = now();
  if (style_.terminal) {
    // Carriage return, the line, then clear the rest of the previous one.
    const auto columns = static_cast<size_t>(std::max(style_.width - 1, 10));
    const std::string_view fits = text.substr(0, bytes_of_first(columns, text));
    write_(fmt::format("\r{}\x1b[K", fits));
    shown_ = true;
  } else {
    write_(std::string(text) + "\n");
  }
}

void ProgressLine::print(std::string_view text) {
  write_((shown_ ? "\r\x1b[K" : "") + std::string(text) + "\n");
  shown_ = false;
  last_drawn_ = style_.terminal ? -1e9 : last_drawn_;
}

void ProgressLine::clear() {
  if (shown_) {
    write_("\r\x1b[K");
    shown_ = false;
  }
}

void PictureProgress::done(int64_t pictures) {
  if (!line_.style().terminal || !line_.due()) {
    return;
  }
  const double seconds = line_.now() - began_;
  std::string text = fmt::format(
      "{} {}/{} pictures",
      progress_bar(static_cast<double>(pictures) / static_cast<double>(pictures_), 20), pictures,
      pictures_);
  if (seconds > 0 && pictures > 0) {
    const double rate = static_cast<double>(pictures) / seconds;
    text += fmt::format("  {:.1f} a second  ETA {}", rate,
                        format_duration(static_cast<double>(pictures_ - pictures) / rate));
  }
  line_.draw(text);
}

Progress::Progress(const TerminalStyle& style, bool quiet, ProgressLine::Write write,
                   ProgressLine::Clock clock)
    : line_(style, std::move(write), std::move(clock)), quiet_(quiet) {}

void Progress::note(const Note& note) {
  const std::string text = printable_lines(note.text);
  if (note.kind == Note::Kind::warning) {
    line_.print(colored("warning:", 33, line_.style()) + " " + text);
  } else if (!quiet_) {
    line_.print(text);
  }
}

void Progress::epoch(const EpochReport& report) {
  line_.print(epoch_line(report));
  last_step_ = -1;  // what comes until the next step is not training time
}

void Progress::step(const StepReport& report) {
  if (quiet_) {
    return;
  }
  const double now = line_.now();
  if (last_step_ >= 0) {
    steps_ = kMemory * steps_ + 1;
    images_ = kMemory * images_ + static_cast<double>(report.images);
    seconds_ = kMemory * seconds_ + (now - last_step_);
  }
  last_step_ = now;
  if (line_.due()) {
    line_.draw(describe(report));
  }
}

std::string Progress::describe(const StepReport& report) const {
  const double fraction = static_cast<double>(report.batch) /
                          static_cast<double>(std::max<int64_t>(report.batches, 1));
  std::string text = fmt::format("epoch {}/{} ", report.epoch + 1, report.epochs);
  text += line_.style().terminal ? progress_bar(fraction, 20)
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

// Failing silently: a run goes on without its reader.
void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

std::unique_ptr<LogSink> terminal_sink(bool quiet) {
  return std::make_unique<Progress>(stderr_style(), quiet, write_stderr, monotonic_seconds);
}

std::function<void(int64_t done, int64_t bytes)> reading_progress(std::string what,
                                                                  ProgressLine line) {
  auto shared = std::make_shared<ProgressLine>(std::move(line));
  return [what = std::move(what), shared](int64_t done, int64_t bytes) {
    if (done >= bytes) {
      shared->clear();
    } else if (shared->style().terminal && shared->due()) {
      const double part = static_cast<double>(done) / static_cast<double>(bytes);
      shared->draw(fmt::format("{} {}", progress_bar(part, 20), what));
    }
  };
}

}  // namespace mld
