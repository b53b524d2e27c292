#include "train/log_scalars.h"

namespace mld {

Scalars scalars_of(const StepReport& report) {
  return {{"train/loss", report.loss},
          {"train/lr", report.lr},
          {"train/gradient_norm", report.gradient_norm},
          {"train/images_per_second", report.images_per_second}};
}

Scalars scalars_of(const EpochReport& report) {
  Scalars scalars = {{"epoch/loss", report.loss},
                     {"epoch/lr", report.lr},
                     {"epoch/seconds", report.seconds}};
  if (report.raw) {
    scalars.emplace_back("epoch/best", report.best);
  }
  const auto add = [&](const std::string& group, const std::optional<Evaluation>& evaluation) {
    if (evaluation) {
      for (const NamedValue& metric : named_metrics(*evaluation)) {
        scalars.emplace_back(group + metric.key, metric.value);
      }
    }
  };
  add("val_raw/", report.raw);
  add("val_ema/", report.average);
  return scalars;
}

}  // namespace mld
