// Several runs: each class's AP in all of them, and what it gained from the first to the last.
#include <algorithm>
#include <map>

#include "app/report/plot.h"
#include "app/report/section.h"

namespace mld {
namespace {

struct ComparedClass {
  std::string name;
  std::vector<std::optional<double>> ap;  // of each run, percent

  std::optional<double> gain() const {
    const std::optional<double> first = ap.front(), last = ap.back();
    return first && last ? std::optional(*last - *first) : std::nullopt;
  }
};

// The classes of all runs by name, in the order of the first run that has them. A class without
// positives in a run has no AP there.
std::vector<ComparedClass> compared_classes(const ReportInput& input) {
  std::vector<ComparedClass> all;
  std::map<std::string, size_t> places;
  for (size_t r = 0; r < input.runs.size(); ++r) {
    if (!input.runs[r].best) {
      continue;
    }
    for (const KeptEvaluation::PerClass& one : input.runs[r].best->classes) {
      const auto [place, fresh] = places.try_emplace(one.name, all.size());
      if (fresh) {
        all.push_back({one.name, std::vector<std::optional<double>>(input.runs.size())});
      }
      all[place->second].ap[r] = one.ap;
    }
  }
  // The largest loss first; classes that cannot be compared last.
  std::ranges::stable_sort(all, [](const ComparedClass& a, const ComparedClass& b) {
    return a.gain().value_or(1e9) < b.gain().value_or(1e9);
  });
  return all;
}

// The classes that changed most.
BarPlot gain_plot(const std::vector<ComparedClass>& classes) {
  constexpr size_t kEnds = 12;
  BarPlot plot{.title = "AP, last run minus first, percentage points", .x_label = "",
               .y_label = "", .labels = {}, .groups = {{"", {}}}, .lying = true};
  std::vector<const ComparedClass*> both;
  for (const ComparedClass& one : classes) {
    if (one.gain()) {
      both.push_back(&one);
    }
  }
  for (size_t i = 0; i < both.size(); ++i) {
    if (i < kEnds || i + kEnds >= both.size()) {
      plot.labels.push_back(both[i]->name);
      plot.groups[0].values.push_back(*both[i]->gain());
    }
  }
  return plot;
}

std::string ap_text(const std::optional<double>& ap) {
  return ap ? fmt::format("{:.2f}", *ap) : "–";
}

void fill_comparison(const ReportInput& input, PictureBudget&, Slots slots) {
  const std::vector<ComparedClass> classes = compared_classes(input);
  const BarPlot plot = gain_plot(classes);
  if (!plot.labels.empty()) {
    add_plot(slots.section("PLOT"), "FIGURE", plot);
  }
  for (const ReportRun& run : input.runs) {
    slots.section("RUN").set_name("NAME", run.name);
  }
  RowBudget rows(100 + 40 * input.runs.size());
  for (size_t i = 0; i < classes.size(); ++i) {
    const ComparedClass& one = classes[i];
    if (!rows.take(one.name)) {
      slots.show("MORE", "COUNT", fmt::format("{}", classes.size() - i));
      break;
    }
    Slots row = slots.section("CLASS");
    row.set_name("NAME", one.name);
    for (const std::optional<double>& ap : one.ap) {
      row.show("VALUE", "AP", ap_text(ap));
    }
    row.set("GAIN", one.gain() ? fmt::format("{:+.2f}", *one.gain()) : "–");
  }
}

}  // namespace

const ReportSection comparison_section{
    "comparison", "Classes compared", "comparison.html",
    [](const ReportInput& input) {
      return input.several() && std::ranges::any_of(input.runs, [](const ReportRun& run) {
               return run.best.has_value();
             });
    },
    fill_comparison};

}  // namespace mld
