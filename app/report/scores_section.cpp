// What scores are worth: precision and F1 at every threshold, and whether they are probabilities.
#include <algorithm>
#include <cmath>

#include "app/report/plot.h"
#include "app/report/section.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr int kGrid = 100;  // means over classes are taken at 0, 1/100 ... 1

// The precision of a class at recalls 0, 1/100 ... 1: the highest at that recall or a larger one.
void add_precision(const std::vector<PrPoint>& curve, std::vector<double>& sum) {
  double highest = 0;
  auto point = curve.rbegin();  // recall falls
  for (int i = kGrid; i >= 0; --i) {
    for (; point != curve.rend() && point->recall >= i / double{kGrid} - 1e-12; ++point) {
      highest = std::max(highest, point->precision);
    }
    sum[static_cast<size_t>(i)] += highest;
  }
}

// The F1 of a class at thresholds 0, 1/100 ... 1, from the corners of its curve, threshold falling.
void add_f1(const std::vector<F1Point>& curve, std::vector<double>& sum) {
  size_t right = 0;  // the corner at or above the threshold
  for (int i = kGrid; i >= 0; --i) {
    const double t = i / double{kGrid};
    while (right + 1 < curve.size() && curve[right + 1].threshold >= t) {
      ++right;
    }
    const F1Point& a = curve[right];
    const F1Point& b = curve[std::min(right + 1, curve.size() - 1)];
    const double width = a.threshold - b.threshold;
    const double part = width > 0 ? std::clamp((a.threshold - t) / width, 0.0, 1.0) : 0;
    sum[static_cast<size_t>(i)] += a.f1 + part * (b.f1 - a.f1);
  }
}

// The mean over the classes that have positives.
Series mean_of_classes(const Analysis& analysis, auto&& add) {
  std::vector<double> sum(kGrid + 1, 0);
  double classes = 0;
  for (const ClassAnalysis& one : analysis.classes) {
    if (one.positives > 0) {
      add(one.curves, sum);
      ++classes;
    }
  }
  Series series{.name = "mean of the classes", .x = {}, .y = {}, .colour = 1};
  for (int i = 0; classes > 0 && i <= kGrid; ++i) {
    series.x.push_back(i / double{kGrid});
    series.y.push_back(sum[static_cast<size_t>(i)] / classes);
  }
  return series;
}

LinePlot plot_of_shares(const char* title, const char* x_label) {
  return {.title = title, .x_label = x_label, .y_label = "", .series = {}, .marks = {},
          .x = {.from_zero = true}, .y = {.from_zero = true}};
}

LinePlot precision_plot(const Analysis& analysis) {
  LinePlot plot = plot_of_shares("Precision over recall", "recall");
  Series all{.name = "all decisions, one threshold", .x = {}, .y = {}};
  for (const PrPoint& point : analysis.micro.precision_recall) {
    all.x.push_back(point.recall);
    all.y.push_back(point.precision);
  }
  plot.series = {std::move(all), mean_of_classes(analysis, [](const Curves& curves, auto& sum) {
                   add_precision(curves.precision_recall, sum);
                 })};
  return plot;
}

LinePlot f1_plot(const Analysis& analysis) {
  LinePlot plot = plot_of_shares("F1 over the threshold", "threshold");
  Series all{.name = "all decisions, one threshold", .x = {}, .y = {}};
  for (const F1Point& point : analysis.micro.f1) {
    all.x.push_back(point.threshold);
    all.y.push_back(point.f1);
  }
  if (const auto best = std::ranges::max_element(all.y); best != all.y.end()) {
    all.best = static_cast<size_t>(best - all.y.begin());
  }
  plot.series = {std::move(all), mean_of_classes(analysis, [](const Curves& curves, auto& sum) {
                   add_f1(curves.f1, sum);
                 })};
  return plot;
}

LinePlot reliability_plot(const SplitScores& val) {
  const std::vector<ScoreBin>& bins =
      val.analysis.best_scores ? *val.analysis.best_scores : val.analysis.bins;
  LinePlot plot = plot_of_shares(val.analysis.best_scores
                                     ? "Reliability: how often the best class is right"
                                     : "Reliability: how often a class is there",
                                 "score");
  plot.title += fmt::format(" (expected calibration error {:.1f} %)",
                            100 * expected_calibration_error(bins));
  Series found{.name = "found", .x = {}, .y = {}};
  for (const ScoreBin& bin : bins) {
    if (bin.count() > 0) {
      found.x.push_back(bin.mean_score());
      found.y.push_back(bin.positive_share());
    }
  }
  plot.series = {std::move(found), {.name = "as the score says", .x = {0, 1}, .y = {0, 1},
                                    .style = Series::Style::faint, .colour = 6}};
  return plot;
}

BarPlot histogram(const std::vector<ScoreBin>& bins) {
  BarPlot plot{.title = "Scores where a class is there and where it is not, percent of each",
               .x_label = "score, from", .y_label = "", .labels = {},
               .groups = {{"there", {}}, {"not there", {}}}};
  double positives = 0, negatives = 0;
  for (const ScoreBin& bin : bins) {
    positives += static_cast<double>(bin.positives);
    negatives += static_cast<double>(bin.negatives);
  }
  for (size_t b = 0; b < bins.size(); ++b) {
    plot.labels.push_back(
        fmt::format("{:.2f}", static_cast<double>(b) / static_cast<double>(bins.size())));
    plot.groups[0].values.push_back(100 * static_cast<double>(bins[b].positives) /
                                    std::max(positives, 1.0));
    plot.groups[1].values.push_back(100 * static_cast<double>(bins[b].negatives) /
                                    std::max(negatives, 1.0));
  }
  return plot;
}

void fill_scores(const ReportInput& input, PictureBudget&, Slots slots) {
  const SplitScores& val = *input.val;
  slots.set("PICTURES", counted(val.samples, "picture"));
  slots.set("STEP", val.weights.step);
  add_plot(slots.section("PLOT"), "FIGURE", precision_plot(val.analysis));
  add_plot(slots.section("PLOT"), "FIGURE", f1_plot(val.analysis));
  add_plot(slots.section("PLOT"), "FIGURE", reliability_plot(val));
  add_plot(slots.section("PLOT"), "FIGURE", histogram(val.analysis.bins));
}

}  // namespace

const ReportSection scores_section{
    "scores", "Scores and thresholds", "scores.html",
    [](const ReportInput& input) { return !input.several() && input.val != nullptr; },
    fill_scores};

}  // namespace mld
