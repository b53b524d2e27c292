#include "train/threshold_curve.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"

namespace mld {
namespace {

// The largest i with i / last <= score, by the same division that gives the thresholds.
size_t last_passed(float score, size_t last) {
  const auto threshold = [last](size_t i) {
    return static_cast<double>(i) / static_cast<double>(last);
  };
  const double value = std::clamp(static_cast<double>(score), 0.0, 1.0);
  auto i = static_cast<size_t>(value * static_cast<double>(last));
  i -= threshold(i) > value ? 1 : 0;
  i += i < last && threshold(i + 1) <= value ? 1 : 0;
  return i;
}

// Turns counts per interval into counts at or above each threshold.
void accumulate_down(std::vector<int64_t>& counts) {
  std::partial_sum(counts.rbegin(), counts.rend(), counts.rbegin());
}

void add(const std::vector<int64_t>& more, std::vector<int64_t>& to) {
  std::ranges::transform(more, to, to.begin(), std::plus<>());
}

ThresholdCurve empty_curve(size_t thresholds) {
  ThresholdCurve curve;
  curve.true_positives.assign(thresholds, 0);
  curve.false_positives.assign(thresholds, 0);
  return curve;
}

}  // namespace

double ThresholdCurve::precision(size_t i) const {
  const int64_t predicted = true_positives[i] + false_positives[i];
  return predicted == 0 ? 1
                        : static_cast<double>(true_positives[i]) / static_cast<double>(predicted);
}

double ThresholdCurve::recall(size_t i) const {
  return positives == 0 ? 0
                        : static_cast<double>(true_positives[i]) / static_cast<double>(positives);
}

std::vector<ThresholdCurve> threshold_curves(const Predictions& p,
                                             std::span<const std::string> names, size_t most,
                                             size_t thresholds) {
  check_predictions(p);
  require(std::ssize(names) == p.classes && thresholds > 1,
          "threshold_curves: {} names for {} classes, {} thresholds", names.size(), p.classes,
          thresholds);
  std::vector<ThresholdCurve> curves(names.size(), empty_curve(thresholds));
  parallel_for(p.classes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = 0; n < p.samples(); ++n) {
      for (int64_t k = begin; k < end; ++k) {
        const auto at = static_cast<size_t>(n * p.classes + k);
        if (p.targets[at] != Label::unknown) {
          ThresholdCurve& curve = curves[static_cast<size_t>(k)];
          const bool present = p.targets[at] == Label::present;
          ++(present ? curve.true_positives
                     : curve.false_positives)[last_passed(p.scores[at], thresholds - 1)];
        }
      }
    }
  });
  ThresholdCurve all = empty_curve(thresholds);
  for (size_t k = 0; k < curves.size(); ++k) {
    ThresholdCurve& curve = curves[k];
    curve.name = names[k];
    accumulate_down(curve.true_positives);
    accumulate_down(curve.false_positives);
    curve.positives = curve.true_positives[0];
    curve.negatives = curve.false_positives[0];
    add(curve.true_positives, all.true_positives);
    add(curve.false_positives, all.false_positives);
  }
  all.positives = all.true_positives[0];
  all.negatives = all.false_positives[0];
  std::ranges::stable_sort(curves, std::greater<>(), &ThresholdCurve::positives);
  curves.resize(std::min(most, curves.size()));
  std::erase_if(curves, [](const ThresholdCurve& curve) { return curve.positives == 0; });
  curves.insert(curves.begin(), std::move(all));
  return curves;
}

}  // namespace mld
