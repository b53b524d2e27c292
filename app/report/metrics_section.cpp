// What the metrics of the best weights are, and what each one means.
#include <map>

#include "app/report/section.h"
#include "train/metric_definitions.h"

namespace mld {
namespace {

void fill_metrics(const ReportInput& input, PictureBudget&, Slots slots) {
  const std::map<std::string, std::string> meanings = metric_definitions();
  const KeptEvaluation& best = *input.run().best;
  slots.set("PICTURES", fmt::format("{}", best.samples));
  if (best.skipped > 0) {
    slots.show("SKIPPED", "COUNT", fmt::format("{}", best.skipped));
  }
  for (const auto& [name, value] : best.metrics) {
    Slots row = slots.section("METRIC");
    const auto meaning = meanings.find(name);
    row.set("NAME", name);
    row.set("VALUE", fmt::format("{:.2f}", value));
    row.set("MEANING", meaning == meanings.end() ? "" : meaning->second);
  }
}

}  // namespace

const ReportSection metrics_section{"metrics", "Metrics", "metrics.html",
                                    [](const ReportInput& input) {
                                      return !input.several() && input.run().best.has_value();
                                    },
                                    fill_metrics};

}  // namespace mld
