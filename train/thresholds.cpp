#include "train/thresholds.h"

#include "core/error.h"
#include "core/parallel.h"

namespace mld {

double fit_threshold(RankedSamples samples, std::optional<double> wanted) {
  const int64_t positives = positives_of(samples);
  if (positives == 0) {
    return kDefaultThreshold;
  }
  double best = 0, threshold = kNever;
  int64_t correct = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    correct += samples[i].positive;
    const float next = i + 1 < samples.size() ? samples[i + 1].score : 0.0f;
    if (i + 1 < samples.size() && next == samples[i].score) {
      continue;  // equal scores stay together
    }
    const auto accepted = static_cast<double>(i + 1), hits = static_cast<double>(correct);
    const double f1 = 2 * hits / (accepted + static_cast<double>(positives));
    // Among thresholds that are precise enough, more hits are more recall.
    const double value = !wanted ? f1 : hits / accepted >= *wanted ? hits : 0.0;
    if (value > best) {
      best = value;
      threshold = (double{samples[i].score} + double{next}) / 2;
    }
  }
  return threshold;
}

std::vector<double> fit_thresholds(const Predictions& predictions,
                                   std::optional<double> precision) {
  require<UsageError>(!precision || (*precision > 0 && *precision <= 1),
                      "the wanted precision must be above 0 and at most 1, got {}",
                      precision.value_or(0));
  check_predictions(predictions);
  std::vector<double> thresholds(static_cast<size_t>(predictions.classes));
  parallel_for(predictions.classes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      thresholds[static_cast<size_t>(k)] =
          fit_threshold(ranking_of(predictions, k, Unknown::skip), precision);
    }
  });
  return thresholds;
}

std::string threshold_text(double threshold, int digits, double unit) {
  return threshold > 1 ? "never" : fmt::format("{:.{}f}", unit * threshold, digits);
}

}  // namespace mld
