// The run's course: loss, metric, learning rate, speed, gradients.
#include <algorithm>
#include <cmath>

#include "app/report/plot.h"
#include "app/report/section.h"

namespace mld {
namespace {

using Step = RunHistory::Step;

Series series_of(const ReportRun& run, double Step::*value, int colour) {
  Series series{.name = run.name, .x = {}, .y = {}, .colour = colour};
  for (const Step& step : run.history.steps) {
    series.x.push_back(static_cast<double>(step.step));
    series.y.push_back(step.*value);
  }
  return series;
}

bool has_values(const Series& series) {
  return std::ranges::any_of(series.y, [](double y) { return std::isfinite(y); });
}

// Whether positive values spread so widely that the smaller ones would lie on the axis.
bool spreads(const std::vector<Series>& all) {
  constexpr double kMuch = 50;
  double low = INFINITY, high = 0;
  for (const Series& series : all) {
    for (const double y : series.y) {
      low = std::isfinite(y) ? std::min(low, y) : low;
      high = std::isfinite(y) ? std::max(high, y) : high;
    }
  }
  return low > 0 && high > kMuch * low;
}

// Where the first run was resumed; of several, where one was is not marked: whose mark is it?
std::vector<PlotMark> resume_marks(const ReportInput& input, double steps_per_unit) {
  std::vector<PlotMark> marks;
  for (const int64_t step : input.run().history.starts) {
    if (step > 0 && !input.several()) {
      marks.push_back({static_cast<double>(step) / steps_per_unit, "resumed"});
    }
  }
  return marks;
}

// A line per run, smoothed; a single run's raw values faintly behind it.
LinePlot step_plot(const ReportInput& input, const char* title, double Step::*value) {
  constexpr double kPart = 50, kLeast = 10;  // smoothing: over a fiftieth of the run
  LinePlot plot{.title = title, .x_label = "update", .y_label = "", .series = {},
                .marks = resume_marks(input, 1)};
  for (size_t i = 0; i < input.runs.size(); ++i) {
    const ReportRun& run = input.runs[i];
    Series raw = series_of(run, value, static_cast<int>(i));
    if (!has_values(raw)) {
      continue;
    }
    Series smooth = raw;
    smooth.y = smoothed(raw.y, std::max(kLeast, static_cast<double>(raw.y.size()) / kPart));
    if (!input.several()) {
      raw.name = "each";
      raw.style = Series::Style::faint;
      smooth.name = "smoothed";
      plot.series.push_back(thinned(std::move(raw)));
    }
    plot.series.push_back(thinned(std::move(smooth)));
  }
  plot.y.log = spreads(plot.series);
  return plot;
}

LinePlot rate_plot(const ReportInput& input) {
  LinePlot plot{.title = "Learning rate", .x_label = "update", .y_label = ""};
  for (size_t i = 0; i < input.runs.size(); ++i) {
    Series series = series_of(input.runs[i], &Step::lr, static_cast<int>(i));
    if (has_values(series)) {
      plot.series.push_back(thinned(std::move(series)));
    }
  }
  return plot;
}

// A validated metric over epochs.
Series metric_series(const ReportRun& run, std::optional<double> RunHistory::Epoch::*value,
                     const std::string& name, int colour) {
  Series series{.name = name, .x = {}, .y = {}, .colour = colour};
  for (const RunHistory::Epoch& epoch : run.history.epochs) {
    if (epoch.*value) {
      series.x.push_back(static_cast<double>(epoch.epoch));
      series.y.push_back(*(epoch.*value));
    }
  }
  return series;
}

// Marks the largest value of all.
void mark_best(std::vector<Series>& all) {
  Series* best = nullptr;
  for (Series& series : all) {
    const auto largest = std::ranges::max_element(series.y);
    if (largest != series.y.end() && (best == nullptr || *largest > best->y[*best->best])) {
      if (best != nullptr) {
        best->best.reset();
      }
      best = &series;
      best->best = static_cast<size_t>(largest - series.y.begin());
    }
  }
}

// What a run's weights and their average reach, as far as there are any values. Of several runs
// each has one colour, as in the other plots; its weights' line is fainter than their average's.
std::vector<Series> metric_lines(const ReportRun& run, bool several, int number) {
  const std::string prefix = several ? run.name + ", " : "";
  std::vector<Series> lines = {
      metric_series(run, &RunHistory::Epoch::raw, prefix + "raw weights", number),
      metric_series(run, &RunHistory::Epoch::average, prefix + "averaged weights",
                    several ? number : number + 1)};
  if (several && lines[1].y.size() > 1) {
    lines[0].style = Series::Style::faint;
  }
  std::erase_if(lines, [](const Series& series) { return series.y.empty(); });
  return lines;
}

// A plot for each metric that decides what is best: two of them have no common scale.
std::vector<LinePlot> metric_plots(const ReportInput& input) {
  std::vector<LinePlot> plots;
  for (size_t i = 0; i < input.runs.size(); ++i) {
    const ReportRun& run = input.runs[i];
    std::vector<Series> lines = metric_lines(run, input.several(), static_cast<int>(i));
    if (lines.empty()) {
      continue;
    }
    const std::string title = run.history.metric + " on val, percent";
    auto plot = std::ranges::find(plots, title, &LinePlot::title);
    if (plot == plots.end()) {
      plot = plots.insert(plot, {.title = title, .x_label = "epoch", .y_label = ""});
    }
    std::ranges::move(lines, std::back_inserter(plot->series));
    const RunHistory::Epoch& last = run.history.epochs.back();
    plot->marks = resume_marks(input, static_cast<double>(last.step) /
                                          static_cast<double>(last.epoch));
  }
  for (LinePlot& plot : plots) {
    mark_best(plot.series);
    for (Series& series : plot.series) {
      series = outlined(std::move(series));
    }
  }
  return plots;
}

bool applies(const ReportInput& input) {
  return std::ranges::any_of(input.runs, [](const ReportRun& run) {
    return !run.history.steps.empty() || !run.history.epochs.empty();
  });
}

void fill_curves(const ReportInput& input, PictureBudget&, Slots slots) {
  std::vector<LinePlot> plots;
  plots.push_back(step_plot(input, "Loss in training", &Step::loss));
  std::ranges::move(metric_plots(input), std::back_inserter(plots));
  plots.push_back(rate_plot(input));
  plots.push_back(step_plot(input, "Pictures a second in training", &Step::images_per_second));
  plots.push_back(step_plot(input, "Gradient norm, before clipping", &Step::gradient_norm));
  for (const LinePlot& plot : plots) {
    if (!plot.series.empty()) {
      add_plot(slots.section("PLOT"), "FIGURE", plot);
    }
  }
}

}  // namespace

const ReportSection curves_section{"curves", "Curves", "curves.html", applies, fill_curves};

}  // namespace mld
