// Which classes are taken for each other.
#include <algorithm>
#include <numeric>

#include "app/report/plot.h"
#include "app/report/section.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr size_t kMostCells = 24;  // rows and columns of the matrix

// All classes, or of more than fit those in the commonest confusions.
std::vector<size_t> shown_classes(const ConfusionMatrix& matrix) {
  std::vector<size_t> shown;
  if (matrix.pictures.size() <= kMostCells) {
    shown.resize(matrix.pictures.size());
    std::iota(shown.begin(), shown.end(), size_t{0});
    return shown;
  }
  for (const ConfusionMatrix::Cell& cell : matrix.worst(kMostCells * kMostCells)) {
    for (const int64_t k : {cell.label, cell.predicted}) {
      const auto at = static_cast<size_t>(k);
      if (shown.size() < kMostCells && std::ranges::find(shown, at) == shown.end()) {
        shown.push_back(at);
      }
    }
  }
  std::ranges::sort(shown);
  return shown;
}

HeatMap matrix_plot(const SplitScores& val, const std::vector<size_t>& classes) {
  const ConfusionMatrix& matrix = *val.analysis.matrix;
  HeatMap map{.title = "Of the pictures with the row's label, the part whose best score is the "
                       "column's", .rows = {}, .columns = {}};
  for (const size_t k : classes) {
    map.rows.push_back(val.classes.names[k]);
  }
  map.columns = map.rows;
  for (const size_t row : classes) {
    for (const size_t column : classes) {
      const auto label = static_cast<int64_t>(row), predicted = static_cast<int64_t>(column);
      map.values.push_back(matrix.share(label, predicted));
      map.tips.push_back(fmt::format("{} as {}: {} of {}", val.classes.names[row],
                                     val.classes.names[column], matrix.count(label, predicted),
                                     counted(matrix.pictures[row], "picture")));
    }
  }
  return map;
}

void add_pair(const Slots& table, const SplitScores& val, const ConfusedPair& pair, int64_t of) {
  Slots row = table.section("PAIR");
  row.set_name("PREDICTED", val.classes.names[static_cast<size_t>(pair.predicted)]);
  row.set_name("MISSED", val.classes.names[static_cast<size_t>(pair.missed)]);
  row.set("COUNT", pair.pictures);
  row.set("SHARE", fmt::format("{:.1f}", of > 0 ? 100.0 * static_cast<double>(pair.pictures) /
                                                      static_cast<double>(of) : 0));
}

void fill_single(const SplitScores& val, Slots slots) {
  constexpr int64_t kMostPairs = 100;
  const ConfusionMatrix& matrix = *val.analysis.matrix;
  const std::vector<size_t> classes = shown_classes(matrix);
  if (classes.size() > 1) {
    const Slots plot = slots.section("MATRIX");
    add_plot(plot, "FIGURE", matrix_plot(val, classes));
    if (classes.size() < matrix.pictures.size()) {
      plot.show("PART", "TEXT", fmt::format("{} of {} classes, those in the commonest confusions",
                                            classes.size(), matrix.pictures.size()));
    }
  }
  const std::vector<ConfusionMatrix::Cell> worst = matrix.worst(kMostPairs);
  if (!worst.empty()) {
    const Slots table = slots.section("TABLE");
    table.show("ONE_LABEL");
    for (const ConfusionMatrix::Cell& cell : worst) {
      add_pair(table, val, {cell.predicted, cell.label, cell.pictures},
               matrix.pictures[static_cast<size_t>(cell.label)]);
    }
  }
}

void fill_confusion(const ReportInput& input, PictureBudget&, Slots slots) {
  const SplitScores& val = *input.val;
  if (val.analysis.matrix) {
    fill_single(val, slots);
    return;
  }
  const Slots table = slots.section("TABLE");
  Slots several = table.section("SEVERAL_LABELS");
  several.set("ALL", counted(val.analysis.confusions.distinct, "pair"));
  for (const ConfusedPair& pair : val.analysis.confusions.pairs) {
    add_pair(table, val, pair,
             val.analysis.classes[static_cast<size_t>(pair.missed)].positives);
  }
}

}  // namespace

const ReportSection confusion_section{
    "confusion", "Classes taken for each other", "confusion.html",
    [](const ReportInput& input) {
      return !input.several() && input.val != nullptr &&
             (input.val->analysis.matrix || !input.val->analysis.confusions.pairs.empty());
    },
    fill_confusion};

}  // namespace mld
