#include "app/progress.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/core.h>

#include "data/text.h"

namespace mld {
namespace {

constexpr double kRedrawSeconds = 0.1, kLineSeconds = 30;  // between two drawings
constexpr double kMemory = 0.98;  // decay per step: averages over about the last 50 steps

}  // namespace

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
  const double fraction = static_cast<double>(pictures) / static_cast<double>(pictures_);
  const std::string counts = fmt::format("{}/{} pictures", pictures, pictures_);
  std::string rate, eta;
  if (seconds > 0 && pictures > 0) {
    const double each = seconds / static_cast<double>(pictures);
    const auto left = static_cast<double>(pictures_ - pictures);
    rate = fmt::format("  {:.1f} a second", 1 / each);
    eta = fmt::format("  ETA {}", format_duration(left * each));
  }
  const std::string wordings[] = {progress_bar(fraction, 20) + " " + counts + rate + eta,
                                  progress_bar(fraction, 10) + " " + counts + eta, counts + eta,
                                  fmt::format("{:.0f} %{}", 100 * fraction, eta)};
  line_.draw(first_fitting(wordings, line_.style()));
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
  const TerminalStyle& style = line_.style();
  const int width = style.terminal ? style.width - 1 : 0;
  line_.print(epoch_line(report, {.width = width, .utf8 = style.utf8}));
  epoch_ended_ = true;
}

void Progress::step(const StepReport& report) {
  if (quiet_) {
    return;
  }
  const double now = line_.now();
  if (epoch_ended_ && last_step_ >= 0) {  // validation, saving, and then this step
    const double step = steps_ > 0 ? seconds_ / steps_ : 0;
    pause_seconds_ += std::max(now - last_step_ - step, 0.0);
    ++pauses_;
  } else if (last_step_ >= 0) {
    steps_ = kMemory * steps_ + 1;
    images_ = kMemory * images_ + static_cast<double>(report.images);
    seconds_ = kMemory * seconds_ + (now - last_step_);
  }
  last_step_ = now;
  epoch_ended_ = false;
  if (line_.due()) {
    line_.draw(describe(report));
  }
}

std::string Progress::describe(const StepReport& report) const {
  const double fraction = static_cast<double>(report.batch) /
                          static_cast<double>(std::max<int64_t>(report.batches, 1));
  const std::string epoch = fmt::format("epoch {}/{} ", report.epoch + 1, report.epochs);
  const std::string loss = fmt::format("  loss {:.4g}", report.loss);
  const std::string lr = fmt::format("  lr {:.2e}", report.lr);
  std::string rate, eta;
  if (seconds_ > 0) {
    rate = fmt::format("  {:.1f} images/s", images_per_second());
    eta = fmt::format("  ETA {}", format_duration(eta_seconds(report)));
  }
  if (!line_.style().terminal) {
    return fmt::format("{}batch {}/{}", epoch, report.batch, report.batches) + loss + lr + rate +
           eta;
  }
  const std::string percent = fmt::format("{:.0f} %", 100 * fraction);
  const std::string wordings[] = {
      epoch + progress_bar(fraction, 20) + loss + lr + rate + eta,
      epoch + progress_bar(fraction, 10) + loss + rate + eta,
      epoch + progress_bar(fraction, 10) + loss + eta,
      epoch + percent + loss + eta,
      epoch + percent + eta,
      fmt::format("{}/{} {}{}", report.epoch + 1, report.epochs, percent, eta)};
  return first_fitting(wordings, line_.style());
}

// With a pause after this epoch and after each that is left.
double Progress::eta_seconds(const StepReport& report) const {
  const int64_t left = (report.epochs - report.epoch) * report.batches - report.batch;
  const double pause = pauses_ > 0 ? pause_seconds_ / pauses_ : 0;
  return steps_ > 0 ? static_cast<double>(left) * seconds_ / steps_ +
                          static_cast<double>(report.epochs - report.epoch) * pause
                    : -1;
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
