#include "train/run_log.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/core.h>

#include "data/json_writer.h"
#include "train/log_files.h"

namespace mld {

template <class Tell>
void RunLog::tell(Tell&& tell) {
  std::vector<std::string> problems;
  for (const std::unique_ptr<LogSink>& sink : sinks_) {
    tell(*sink);
    if (!sink->problem().empty() && failed_.insert(sink.get()).second) {
      problems.push_back(sink->problem());
    }
  }
  for (const std::string& problem : problems) {
    warning(problem + "; the run goes on");
  }
}

void RunLog::open(const RunFolder& folder, int64_t step, const Config& config) {
  step_ = step;
  epoch_began_ = counted_since_ = monotonic_seconds();
  opened_ = true;
  for (std::unique_ptr<LogSink>& sink : file_sinks(folder, step, config)) {
    for (const Note& note : early_notes_) {
      sink->note({note.kind, note.text, step});
    }
    add(std::move(sink));
  }
  early_notes_.clear();
}

void RunLog::note(Note::Kind kind, const std::string& text) {
  const Note note{kind, text, step_};
  if (!opened_) {
    early_notes_.push_back(note);
  }
  tell([&](LogSink& sink) { sink.note(note); });
}

void RunLog::step(StepReport report) {
  constexpr double kSecondsBetween = 1;
  step_ = report.step;
  images_ += report.images;
  const double now = monotonic_seconds();
  if (now - kept_ >= kSecondsBetween || report.batch == report.batches) {
    report.kept = true;
    report.images_per_second =
        rounded(static_cast<double>(images_) / std::max(now - counted_since_, 1e-9), 3);
    kept_ = counted_since_ = now;
    images_ = 0;
  }
  tell([&](LogSink& sink) { sink.step(report); });
}

void RunLog::epoch(EpochReport report) {
  step_ = report.step;
  report.seconds = monotonic_seconds() - epoch_began_;
  epoch_began_ += report.seconds;
  tell([&](LogSink& sink) { sink.epoch(report); });
  counted_since_ = monotonic_seconds();
}

void RunLog::picture(std::string_view tag, std::span<const uint8_t> png) {
  tell([&](LogSink& sink) { sink.picture({tag, step_, png}); });
}

void RunLog::end(ExitCode code) {
  tell([&](LogSink& sink) { sink.end(code); });
}

const Evaluation* EpochReport::better() const {
  const bool averaged = average && average->metric(metric) > raw->metric(metric);
  return averaged ? &*average : raw ? &*raw : nullptr;
}

std::string epoch_line(const EpochReport& report, const LineStyle& style) {
  constexpr int64_t kLongest = 40;
  std::string line = fmt::format("epoch {}/{}  loss {:.4g}", report.epoch + 1, report.epochs,
                                 report.loss);
  if (report.raw) {
    line += fmt::format("  {} {:.2f}", report.metric, report.raw->metric(report.metric));
    line += report.average
                ? fmt::format("  averaged {:.2f}", report.average->metric(report.metric))
                : "";
    line += fmt::format("  best {:.2f}", report.best);
    // Before it and before the time are two blanks each.
    const int64_t others = std::ssize(line) + 4 + std::ssize(format_duration(report.seconds));
    const int64_t room = style.width > 0 ? style.width - others : kLongest;
    if (room > 0) {
      line += "  " + sparkline(report.history, static_cast<size_t>(std::min(room, kLongest)),
                               style.utf8);
    }
  }
  return line + "  " + format_duration(report.seconds);
}

std::string sparkline(std::span<const double> values, size_t limit, bool utf8) {
  constexpr std::string_view kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  constexpr std::string_view kSigns = ".:-=+*#@";
  constexpr int kHeights = 8;
  values = values.last(std::min(limit, values.size()));
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
    const auto level = static_cast<size_t>(std::min(height * kHeights, kHeights - 1.0));
    line += utf8 ? kBlocks[level] : kSigns.substr(level, 1);
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

double monotonic_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace mld
