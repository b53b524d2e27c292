// Seen and unseen classes apart: their metrics over the run, and their APs.
#include <algorithm>
#include <cmath>

#include "app/report/plot.h"
#include "app/report/section.h"

namespace mld {
namespace {

using Style = Series::Style;

Series zero_shot_series(const ReportRun& run, const char* column, const char* name, int colour,
                        Style style = Style::line) {
  Series series{.name = name, .x = {}, .y = {}, .style = style, .colour = colour};
  for (const RunHistory::Epoch& epoch : run.history.epochs) {
    if (const auto found = epoch.zero_shot.find(column); found != epoch.zero_shot.end()) {
      series.x.push_back(static_cast<double>(epoch.epoch));
      series.y.push_back(found->second);
    }
  }
  return series;
}

void add_classes(const Slots& slots, const KeptEvaluation& best, bool seen) {
  std::vector<KeptEvaluation::PerClass> classes;
  std::ranges::copy_if(best.classes, std::back_inserter(classes),
                       [&](const auto& one) { return one.seen == seen; });
  std::ranges::stable_sort(classes, {}, [](const KeptEvaluation::PerClass& one) {
    return one.ap.value_or(INFINITY);  // without pictures there is no AP: last
  });
  Slots kind = slots.section("KIND");
  kind.set("WHICH", seen ? "Seen" : "Unseen");
  kind.set("COUNT", classes.size());
  RowBudget rows(140);
  for (size_t i = 0; i < classes.size(); ++i) {
    const KeptEvaluation::PerClass& one = classes[i];
    if (!rows.take(one.name)) {
      kind.show("MORE", "COUNT", fmt::format("{}", classes.size() - i));
      break;
    }
    Slots row = kind.section("CLASS");
    row.set_name("NAME", one.name);
    row.set("POSITIVES", one.positives);
    row.set("AP", one.ap ? fmt::format("{:.2f}", *one.ap) : "–");
  }
}

void fill_zero_shot(const ReportInput& input, PictureBudget&, Slots slots) {
  const ReportRun& run = input.run();
  LinePlot plot{.title = "mAP on val, percent", .x_label = "epoch", .y_label = ""};
  plot.series = {
      zero_shot_series(run, "mAP_ZSL", "unseen classes among themselves (mAP_ZSL)", 0),
      zero_shot_series(run, "mAP_GZSL", "all classes together (mAP_GZSL)", 1),
      zero_shot_series(run, "mAP_seen", "seen classes among themselves (mAP_seen)", 2),
      zero_shot_series(run, "chance_ZSL", "unseen ones by chance", 0, Style::faint),
      zero_shot_series(run, "chance_GZSL", "all by chance", 1, Style::faint)};
  std::erase_if(plot.series, [](const Series& series) { return series.y.empty(); });
  if (!plot.series.empty()) {
    for (Series& series : plot.series) {
      series = outlined(std::move(series));
    }
    add_plot(slots.section("PLOT"), "FIGURE", plot);
  }
  if (run.best) {
    add_classes(slots, *run.best, false);
    add_classes(slots, *run.best, true);
  }
}

}  // namespace

const ReportSection zero_shot_section{
    "zero-shot", "Seen and unseen classes", "zero_shot.html",
    [](const ReportInput& input) {
      return !input.several() && input.run().config.config.task == Task::zero_shot;
    },
    fill_zero_shot};

}  // namespace mld
