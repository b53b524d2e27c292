// Every class: how often it is there, how well it is found.
#include <algorithm>
#include <cmath>

#include "app/report/plot.h"
#include "app/report/section.h"
#include "data/text.h"
#include "train/thresholds.h"

namespace mld {
namespace {

using PerClass = KeptEvaluation::PerClass;

std::string percent(std::optional<double> value) {
  return value && std::isfinite(*value) ? fmt::format("{:.2f}", *value) : "–";
}

// The columns of `classes`, lowest AP first; those without positives, which have none, last.
std::vector<size_t> worst_first(const std::vector<PerClass>& classes) {
  std::vector<size_t> order;
  for (size_t k = 0; k < classes.size(); ++k) {
    order.push_back(k);
  }
  std::ranges::stable_sort(order, {}, [&](size_t k) {
    return classes[k].ap.value_or(INFINITY);
  });
  return order;
}

// The curve with as few points as its 60 x 20 units show.
void add_curve(const Slots& row, const PerClass& one, const Curves& curves) {
  std::vector<PlotPoint> line;
  for (const PrPoint& point : curves.precision_recall) {
    line.push_back({point.recall, point.precision});
  }
  if (line.empty()) {
    return;
  }
  std::vector<double> x, y;
  for (const size_t i : thin_line(line, {.points = 24, .deviation = 0.02}).kept) {
    x.push_back(line[i].x);
    y.push_back(line[i].y);
  }
  constexpr size_t kWords = 60;
  const std::string name = one.name.substr(0, bytes_of_first(kWords, one.name));
  add_sparkline(row.section("CURVE"), "SPARK", x, y,
                fmt::format("{}: precision over recall, AP {}", name, percent(one.ap)));
}

// One label a picture: a class is found where its score is the best.
void decide_by_best_class(const ConfusionMatrix& matrix, std::vector<PerClass>& classes) {
  std::vector<double> found(classes.size(), 0), right(classes.size(), 0);
  for (const ConfusionMatrix::Cell& cell : matrix.cells) {
    const auto label = static_cast<size_t>(cell.label);
    const auto predicted = static_cast<size_t>(cell.predicted);
    found[predicted] += static_cast<double>(cell.pictures);
    right[label] += label == predicted ? static_cast<double>(cell.pictures) : 0;
  }
  for (size_t k = 0; k < classes.size(); ++k) {
    const auto there = static_cast<double>(matrix.pictures[k]);
    classes[k].precision = found[k] > 0 ? 100 * right[k] / found[k] : NAN;
    classes[k].recall = there > 0 ? 100 * right[k] / there : NAN;
    classes[k].f1 = there > 0 ? 200 * right[k] / (found[k] + there) : NAN;
  }
}

// Several labels: each at the threshold that it has now.
void decide_by_thresholds(const Analysis& analysis, std::vector<PerClass>& classes) {
  for (size_t k = 0; k < classes.size(); ++k) {
    const ClassDecisions& at = analysis.classes[k].at;
    classes[k].threshold = at.threshold;
    classes[k].precision = 100 * at.precision;
    classes[k].recall = 100 * at.recall;
    classes[k].f1 = 100 * at.f1;
  }
}

// Fills in what only the scores tell; returns how precision, recall and F1 are decided.
const char* decide(const KeptEvaluation& best, const Analysis* analysis,
                   std::vector<PerClass>& classes) {
  if (analysis != nullptr && analysis->matrix) {
    decide_by_best_class(*analysis->matrix, classes);
    return "those of the class with the best score";
  }
  if (!best.refitted.empty() && analysis != nullptr) {
    decide_by_thresholds(*analysis, classes);
    return "at the class's own threshold, which the weights' file has from mlinfer thresholds";
  }
  if (!best.refitted.empty()) {
    return "at the class's own threshold as training fitted it on val; the weights' file has "
           "others now, and without kept scores nothing is known of those";
  }
  const bool thresholds = std::ranges::any_of(
      classes, [](const PerClass& one) { return one.threshold.has_value(); });
  return thresholds ? "at the class's own threshold, which was fitted on val"
                    : "at a score above 0.5";
}

void fill_row(Slots row, const PerClass& one, bool thresholds, bool zero_shot) {
  const bool present = one.positives > 0;
  row.set_name("NAME", one.name);
  row.set("POSITIVES", one.positives);
  row.set("AP", percent(one.ap));
  row.set("PRECISION", percent(one.precision));
  row.set("RECALL", present ? percent(one.recall) : "–");
  row.set("F1", present ? percent(one.f1) : "–");
  if (thresholds) {
    row.show("THRESHOLD", "VALUE",
             one.threshold ? threshold_text(*one.threshold, 3) : std::string("–"));
  }
  if (zero_shot) {
    row.show("SEEN", "WORD", one.seen ? "seen" : "unseen");
  }
}

void fill_classes(const ReportInput& input, PictureBudget&, Slots slots) {
  constexpr size_t kMost = 2000;
  std::vector<PerClass> classes = input.run().best->classes;
  const Analysis* analysis =
      input.val != nullptr && input.val->analysis.classes.size() == classes.size()
          ? &input.val->analysis
          : nullptr;
  slots.show("AT", "TEXT", decide(*input.run().best, analysis, classes));
  const bool thresholds = std::ranges::any_of(
      classes, [](const PerClass& one) { return one.threshold.has_value(); });
  const bool zero_shot = input.run().config.config.task == Task::zero_shot;
  for (const auto& [wanted, section] :
       {std::pair(thresholds, "THRESHOLDS"), std::pair(zero_shot, "MARKS"),
        std::pair(analysis != nullptr, "CURVES")}) {
    if (wanted) {
      slots.show(section);
    }
  }
  const std::vector<size_t> order = worst_first(classes);
  RowBudget rows(analysis != nullptr ? 900 : 350, 1'500'000);
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t k = order[i];
    if (i == kMost || !rows.take(classes[k].name)) {
      slots.show("MORE", "COUNT", fmt::format("{}", order.size() - i));
      break;
    }
    const Slots row = slots.section("CLASS");
    fill_row(row, classes[k], thresholds, zero_shot);
    if (analysis != nullptr) {
      const Slots cell = row.section("CURVE_CELL");
      add_curve(cell, classes[k], analysis->classes[k].curves);
    }
  }
}

}  // namespace

const ReportSection classes_section{"classes", "Classes", "classes.html",
                                    [](const ReportInput& input) {
                                      return !input.several() && input.run().best.has_value() &&
                                             !input.run().best->classes.empty();
                                    },
                                    fill_classes};

}  // namespace mld
