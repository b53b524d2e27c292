#include "train/analysis/curves.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "train/thresholds.h"

namespace mld {
namespace {

// The decisions at a threshold: those with a score of at least that.
struct Step {
  double threshold = 0;
  int64_t correct = 0, accepted = 0;

  double f1(int64_t positives) const {
    return 2 * static_cast<double>(correct) / static_cast<double>(accepted + positives);
  }
};

PrPoint pr_point(const Step& step, int64_t positives) {
  const auto correct = static_cast<double>(step.correct);
  return {correct / static_cast<double>(positives), correct / static_cast<double>(step.accepted),
          step.threshold};
}

// The corners of F1 over the threshold: it changes just above each score.
std::vector<F1Point> f1_corners(const std::vector<Step>& steps, int64_t positives) {
  std::vector<F1Point> corners = {{1, 0}};
  for (const Step& step : steps) {
    corners.push_back({step.threshold, corners.back().f1});
    corners.push_back({step.threshold, step.f1(positives)});
  }
  corners.push_back({0, corners.back().f1});
  return corners;
}

// Keeps some points of a curve; returns the deviation.
template <class Point, class Place>
double thin(std::vector<Point>& curve, const PlotLimits& limits, Place&& place) {
  std::vector<PlotPoint> line(curve.size());
  std::ranges::transform(curve, line.begin(), place);
  const ThinnedLine thinned = thin_line(line, limits);
  std::vector<Point> kept;
  for (const size_t i : thinned.kept) {
    kept.push_back(curve[i]);
  }
  curve = std::move(kept);
  return thinned.deviation;
}

// steps: one per score that occurs, by falling score.
Curves curves_of(const std::vector<Step>& steps, int64_t positives, const PlotLimits& limits) {
  Curves result;
  result.best.threshold = kDefaultThreshold;
  if (positives == 0) {
    return result;
  }
  for (const Step& step : steps) {
    result.precision_recall.push_back(pr_point(step, positives));
    if (step.f1(positives) > result.best.f1) {
      result.best = {step.threshold, step.f1(positives)};
    }
  }
  result.precision_recall_deviation =
      thin(result.precision_recall, limits,
           [](const PrPoint& p) { return PlotPoint{p.recall, p.precision}; });
  result.f1 = f1_corners(steps, positives);
  result.f1_deviation = thin(result.f1, limits,
                             [](const F1Point& p) { return PlotPoint{p.threshold, p.f1}; });
  return result;
}

// Note [Scores by odds]. A bin holds the probabilities whose odds share the sign and the first ten
// binary digits after the leading one: below 1/2 the leading bits of p as a float, above 1/2 those
// of 1 - p, which is exact there. Equal widths would put most of a trained model's scores into the
// first and the last bin.
constexpr int kDroppedBits = 13;  // of a float's 23
constexpr uint32_t kHalf = std::bit_cast<uint32_t>(0.5f) >> kDroppedBits;

uint32_t odds_bin(float p) {
  return p <= 0.5f ? std::bit_cast<uint32_t>(p + 0.0f) >> kDroppedBits  // + 0: no -0
                   : 2 * kHalf - (std::bit_cast<uint32_t>(1.0f - p) >> kDroppedBits);
}

struct OddsBin {
  int64_t correct = 0, all = 0;
  float lowest = 2;  // the lowest score in it
};

}  // namespace

Curves curves_of(RankedSamples ranking, const PlotLimits& limits) {
  std::vector<Step> steps;
  Step sum;
  for (size_t i = 0; i < ranking.size(); ++i) {
    sum.correct += ranking[i].positive;
    ++sum.accepted;
    if (i + 1 == ranking.size() || ranking[i + 1].score != ranking[i].score) {
      sum.threshold = double{ranking[i].score};
      steps.push_back(sum);
    }
  }
  Curves result = curves_of(steps, positives_of(ranking), limits);
  result.best.threshold = fit_threshold(ranking);
  return result;
}

Curves micro_curves(const Predictions& p, const PlotLimits& limits) {
  check_probabilities(p);
  std::vector<OddsBin> bins(2 * kHalf + 1);
  for (size_t i = 0; i < p.scores.size(); ++i) {
    if (p.targets[i] != Label::unknown) {
      OddsBin& bin = bins[odds_bin(p.scores[i])];
      bin.correct += p.targets[i] == Label::present;
      ++bin.all;
      bin.lowest = std::min(bin.lowest, p.scores[i]);
    }
  }
  std::vector<Step> steps;
  Step sum;
  for (size_t i = bins.size(); i-- > 0;) {
    if (bins[i].all > 0) {
      sum.correct += bins[i].correct;
      sum.accepted += bins[i].all;
      sum.threshold = double{bins[i].lowest};
      steps.push_back(sum);
    }
  }
  return curves_of(steps, sum.correct, limits);
}

}  // namespace mld
