// Curves and calibration: hand-worked cases, and twins that try every threshold.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "tests/data_files.h"
#include "tests/prediction_cases.h"
#include "train/analysis/analysis.h"
#include "train/thresholds.h"

namespace mld {
namespace {

using test::A, test::I, test::OwnedPredictions, test::P, test::random_predictions;
using Seeds = std::vector<uint64_t>;

constexpr PlotLimits kAll{.points = 1'000'000, .deviation = -1};  // nothing is left out

// How far a point is from a line of many points, by trying all stretches.
double distance_to(const PlotPoint& p, const std::vector<PlotPoint>& line) {
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + 1 < line.size(); ++i) {
    for (int step = 0; step <= 1000; ++step) {  // no formula that the code could share
      const double t = step / 1000.0;
      const double x = line[i].x + t * (line[i + 1].x - line[i].x);
      const double y = line[i].y + t * (line[i + 1].y - line[i].y);
      best = std::min(best, std::hypot(p.x - x, p.y - y));
    }
  }
  return best;
}

// The decisions of one class, or of all (k = -1), with score >= threshold: tp, accepted, positives.
struct Decisions {
  double correct = 0, accepted = 0, positives = 0;

  Decisions(const OwnedPredictions& p, int64_t k, double threshold) {
    for (size_t i = 0; i < p.scores.size(); ++i) {
      if (p.targets[i] != I && (k < 0 || static_cast<int64_t>(i) % p.classes == k)) {
        const bool predicted = double{p.scores[i]} >= threshold;
        positives += p.targets[i] == P;
        accepted += predicted;
        correct += predicted && p.targets[i] == P;
      }
    }
  }
  double precision() const { return correct / accepted; }
  double recall() const { return correct / positives; }
  double f1() const { return 2 * correct / (accepted + positives); }
};

// Compares unthinned curves with decisions counted anew at every score.
void check_curves(const Curves& curves, const OwnedPredictions& p, int64_t k) {
  std::set<float, std::greater<>> scores;
  for (size_t i = 0; i < p.scores.size(); ++i) {
    if (p.targets[i] != I && (k < 0 || static_cast<int64_t>(i) % p.classes == k)) {
      scores.insert(p.scores[i]);
    }
  }
  if (Decisions(p, k, 0).positives == 0) {
    CHECK(curves.precision_recall.empty());
    CHECK(curves.f1.empty());
    CHECK(curves.best.f1 == 0);
    CHECK(curves.best.threshold == kDefaultThreshold);
    return;
  }
  REQUIRE(curves.precision_recall.size() == scores.size());
  REQUIRE(curves.f1.size() == 2 * scores.size() + 2);
  CHECK(curves.f1.front().threshold == 1);
  CHECK(curves.f1.back().threshold == 0);
  size_t at = 0;
  double best = 0, before = 0;
  for (const float score : scores) {
    const Decisions here(p, k, double{score});
    CHECK(curves.precision_recall[at].threshold == double{score});
    CHECK(curves.precision_recall[at].recall == doctest::Approx(here.recall()).epsilon(1e-12));
    CHECK(curves.precision_recall[at].precision ==
          doctest::Approx(here.precision()).epsilon(1e-12));
    CHECK(curves.f1[2 * at + 1].f1 == doctest::Approx(before).epsilon(1e-12));
    CHECK(curves.f1[2 * at + 2].f1 == doctest::Approx(here.f1()).epsilon(1e-12));
    CHECK(curves.f1[2 * at + 2].threshold == double{score});
    best = std::max(best, here.f1());
    before = here.f1();
    ++at;
  }
  CHECK(curves.best.f1 == doctest::Approx(best).epsilon(1e-12));
  CHECK(Decisions(p, k, curves.best.threshold).f1() == doctest::Approx(best).epsilon(1e-12));
}

}  // namespace

TEST_CASE("a thinned line: the farthest point first, and a bound that holds") {
  const std::vector<PlotPoint> bump = {{0, 0}, {0.25, 0.1}, {0.5, 0.5}, {0.75, 0.1}, {1, 0}};
  CHECK(thin_line(bump, {.points = 2, .deviation = 0}).kept == std::vector<size_t>{0, 4});
  CHECK(thin_line(bump, {.points = 2, .deviation = 0}).deviation == doctest::Approx(0.5));
  CHECK(thin_line(bump, {.points = 3, .deviation = 0}).kept == std::vector<size_t>{0, 2, 4});
  // Beside the stretch from (0, 0) to (0.5, 0.5): half of 0.15 * sqrt(2).
  CHECK(thin_line(bump, {.points = 3, .deviation = 0}).deviation ==
        doctest::Approx(0.15 / std::sqrt(2)));
  CHECK(thin_line(bump, {.points = 9, .deviation = 0.2}).kept == std::vector<size_t>{0, 2, 4});
  CHECK(thin_line(bump, {.points = 9, .deviation = 0}).deviation == 0);
  // A point beyond the end of a stretch is as far as the end is.
  const std::vector<PlotPoint> back = {{0, 0}, {2, 0}, {1, 0}};
  CHECK(thin_line(back, {.points = 2, .deviation = 0}).deviation == doctest::Approx(1));
  CHECK(thin_line({}, {}).kept.empty());
  CHECK(thin_line(std::vector<PlotPoint>{{1, 1}}, {}).kept == std::vector<size_t>{0});
  const std::vector<PlotPoint> still(5, PlotPoint{0.5, 0.5});
  CHECK(thin_line(still, {}).kept == std::vector<size_t>{0, 4});
  CHECK_THROWS_AS(thin_line(bump, {.points = 1}), Error);

  RandomStream random({3, 0, 0});
  std::vector<PlotPoint> line;
  for (int i = 0; i < 60; ++i) {
    line.push_back({i / 59.0, random.uniform()});
  }
  const ThinnedLine thinned = thin_line(line, {.points = 20, .deviation = 0});
  REQUIRE(thinned.kept.size() == 20);
  double farthest = 0;
  for (size_t stretch = 0; stretch + 1 < thinned.kept.size(); ++stretch) {
    const size_t first = thinned.kept[stretch], last = thinned.kept[stretch + 1];
    for (size_t i = first; i <= last; ++i) {
      farthest = std::max(farthest, distance_to(line[i], {line[first], line[last]}));
    }
  }
  CHECK(thinned.deviation == doctest::Approx(farthest).epsilon(0.01));
  CHECK(thin_line(line, {.points = 60, .deviation = -1}).kept.size() == 60);
  CHECK(thin_line(line, {.points = 59, .deviation = -1}).kept.size() == 59);
}

TEST_CASE("curves of one class: equal scores are one point") {
  const OwnedPredictions p{.scores = {0.9f, 0.5f, 0.5f, 0.25f, 0.75f},
                           .targets = {P, P, A, A, I}};
  const Curves curves = curves_of(p.ranking(), kAll);
  REQUIRE(curves.precision_recall.size() == 3);
  CHECK(curves.precision_recall[0].recall == 0.5);
  CHECK(curves.precision_recall[0].precision == 1);
  CHECK(curves.precision_recall[0].threshold == double{0.9f});
  CHECK(curves.precision_recall[1].recall == 1);
  CHECK(curves.precision_recall[1].precision == doctest::Approx(2.0 / 3));
  CHECK(curves.precision_recall[2].precision == doctest::Approx(0.5));
  CHECK(curves.best.f1 == doctest::Approx(0.8));
  CHECK(curves.best.threshold == 0.375);  // half-way from 0.5 to 0.25, as fit_threshold()
}

TEST_CASE("curves against decisions counted anew; no positives, positives only, unknown labels") {
  for (const uint64_t seed : Seeds{1, 2, 3}) {
    const OwnedPredictions p = random_predictions(70, 4, seed);
    for (int64_t k = 0; k < p.classes; ++k) {
      check_curves(curves_of(p.ranking(k), kAll), p, k);
    }
    check_curves(micro_curves(p.view(), kAll), p, -1);  // 1/32 apart: every score is a bin
  }
  const OwnedPredictions none{.scores = {}, .targets = {}};
  CHECK(micro_curves(none.view()).precision_recall.empty());
  const OwnedPredictions unknown{.scores = {0.5f}, .targets = {I}};
  CHECK(curves_of(unknown.ranking()).f1.empty());
}

TEST_CASE("micro-averaged curves are exact at their thresholds and dense") {
  RandomStream random({5, 0, 0});
  OwnedPredictions p{.scores = {0.0f, 1.0f, -0.0f, 1e-30f}, .targets = {A, P, P, A}};
  for (int i = 0; i < 3000; ++i) {
    const bool positive = random.coin(0.4);
    const double logit = 6 * random.normal() + (positive ? 4 : -4);  // many close to 0 and 1
    p.scores.push_back(static_cast<float>(1 / (1 + std::exp(-logit))));
    p.targets.push_back(positive ? P : A);
  }
  const Curves curves = micro_curves(p.view(), kAll);
  for (const PrPoint& point : curves.precision_recall) {
    const Decisions here(p, -1, point.threshold);
    REQUIRE(point.recall == doctest::Approx(here.recall()).epsilon(1e-12));
    REQUIRE(point.precision == doctest::Approx(here.precision()).epsilon(1e-12));
  }
  // Between neighbouring points lie only scores whose odds differ by 1/512.
  const auto odds = [](double score) { return score / (1 - score); };
  std::vector<float> sorted = p.scores;
  std::ranges::sort(sorted, std::greater{});
  size_t at = 0, joined = 0;
  for (const PrPoint& point : curves.precision_recall) {
    const double highest = double{sorted[at]};
    if (highest < 1 && highest > 1e-6) {
      REQUIRE(odds(highest) <= odds(point.threshold) * (1 + 1.0 / 512));
    }
    for (++at; at < sorted.size() && double{sorted[at]} >= point.threshold; ++at) {
      ++joined;
    }
  }
  CHECK(at == sorted.size());
  CHECK(joined > 0);
  CHECK(joined < p.scores.size() / 3);
}

TEST_CASE("thinned curves have at most the asked points and keep to their deviation") {
  const OwnedPredictions p = random_predictions(400, 3, 11);
  const Curves all = curves_of(p.ranking(2), kAll);
  const Curves few = curves_of(p.ranking(2), {.points = 7, .deviation = 0});
  CHECK(few.precision_recall.size() == 7);
  CHECK(few.f1.size() == 7);
  CHECK(few.best.f1 == all.best.f1);
  std::vector<PlotPoint> line, f1_line;
  for (const PrPoint& q : few.precision_recall) {
    line.push_back({q.recall, q.precision});
  }
  for (const F1Point& q : few.f1) {
    f1_line.push_back({q.threshold, q.f1});
  }
  for (const PrPoint& q : all.precision_recall) {
    CHECK(distance_to({q.recall, q.precision}, line) <= few.precision_recall_deviation + 1e-3);
  }
  for (const F1Point& q : all.f1) {
    CHECK(distance_to({q.threshold, q.f1}, f1_line) <= few.f1_deviation + 1e-3);
  }
  CHECK(curves_of(p.ranking(2)).f1_deviation <= PlotLimits{}.deviation);
}

TEST_CASE("score bins: the upper edge belongs to a bin; errors of calibration") {
  const OwnedPredictions p{.scores = {0.0f, 0.25f, 0.25f, 0.5f, 0.75f, 1.0f, 0.9f},
                           .targets = {A, P, A, A, P, P, I}};
  const std::vector<ScoreBin> bins = score_bins(p.ranking(), 4);
  REQUIRE(bins.size() == 4);
  CHECK(bins[0].positives == 1);  // 0 and both 0.25
  CHECK(bins[0].negatives == 2);
  CHECK(bins[0].mean_score() == doctest::Approx(0.5 / 3));
  CHECK(bins[1].count() == 1);  // 0.5
  CHECK(bins[2].count() == 1);
  CHECK(bins[3].count() == 1);
  // Gaps: |1/3 - 1/6| * 3, 1/2, 1/4, 0.
  CHECK(expected_calibration_error(bins) == doctest::Approx((0.5 + 0.5 + 0.25) / 6));
  CHECK(maximum_calibration_error(bins) == doctest::Approx(0.5));
  CHECK(expected_calibration_error({}) == 0);
  CHECK(score_bins({}, 3)[0].mean_score() == 0);
  CHECK_THROWS_AS(score_bins({}, 0), Error);
}

TEST_CASE("best scores: whether the best class is the label, ties to the lower class") {
  const OwnedPredictions p{.scores = {0.5f, 0.5f, 0.0f, 0.2f, 0.75f, 0.0f, 0.1f, 0.1f, 0.75f},
                           .targets = {A, P, A, A, P, A, P, A, I},
                           .classes = 3};
  const std::vector<ScoreBin> bins = best_score_bins(p.view(), 10);
  CHECK(bins[4].negatives == 1);  // 0.5: the lower class wins and is wrong
  CHECK(bins[7].positives == 1);  // 0.75; the third picture's best class is unknown
  CHECK(bins[7].count() == 1);
  CHECK(expected_calibration_error(bins) == doctest::Approx((0.5 + 0.25) / 2));
}

TEST_CASE("analysis: agrees with the metrics and does not depend on the number of threads") {
  const OwnedPredictions p = random_predictions(90, 5, 21);
  const std::vector<double> thresholds = {0.5, 0.6, 0.55, 0.6, 0.65};
  const AnalysisSpec spec{.label_errors = 20, .confusions = 8};
  const int threads = compute_threads();
  set_threads(1);
  const Analysis one = analyze(p.view(), thresholds, false, spec);
  set_threads(3);
  const Analysis three = analyze(p.view(), thresholds, false, spec);
  set_threads(threads);
  const MeanAp map = official_map(p.view());
  const std::vector<ClassDecisions> at = at_thresholds(p.view(), thresholds).classes;
  int64_t decisions = 0, errors = 0;
  for (size_t k = 0; k < 5; ++k) {
    const ClassAnalysis& c = one.classes[k];
    CHECK(c.ap == map.ap[k]);
    CHECK(c.positives == map.positives[k]);
    CHECK(c.positives + c.negatives + c.unknown == 90);
    CHECK(c.unknown > 0);
    CHECK(c.at.f1 == at[k].f1);
    CHECK(c.worst.all_false_positives == one.confusions.false_positives[k]);
    CHECK(c.worst.all_false_negatives == one.confusions.false_negatives[k]);
    CHECK(c.curves.f1_deviation == three.classes[k].curves.f1_deviation);
    decisions += c.positives + c.negatives;
    errors += c.label_errors;
  }
  int64_t binned = 0;
  for (size_t b = 0; b < one.bins.size(); ++b) {
    binned += one.bins[b].count();
    CHECK(one.bins[b].score_sum == three.bins[b].score_sum);
  }
  CHECK(binned == decisions);
  CHECK(one.label_errors.found == errors);
  CHECK(one.label_errors.worst == three.label_errors.worst);
  CHECK(one.confusions.pairs == three.confusions.pairs);
  CHECK(one.confusions.pairs.size() == 8);
  CHECK_FALSE(one.matrix);
  CHECK(analyze(p.view(), {}, false).classes[2].at.threshold == kDefaultThreshold);
}

TEST_CASE("analysis of one label a picture") {
  const OwnedPredictions p{.scores = {0.9f, 0.1f, 0.2f, 0.8f, 0.4f, 0.6f},
                           .targets = {P, A, A, P, P, A},
                           .classes = 2};
  const Analysis analysis = analyze(p.view(), {}, true);
  REQUIRE(analysis.matrix);
  CHECK(analysis.matrix->count(0, 1) == 1);
  CHECK(expected_calibration_error(*analysis.best_scores) ==
        doctest::Approx((0.1 + 0.2 + 0.6) / 3));
  CHECK(analysis.confusions.pairs.empty());
}

TEST_CASE("errors: analysis") {
  const std::vector<Label> targets = {P, A};
  const auto message = [&](float score, bool single = false) {
    const std::vector<float> scores = {0.5f, score};
    return test::message_of<Error>([&] { analyze({scores, targets, 1}, {}, single); });
  };
  CHECK(message(1.5f) ==
        "metrics: the score of sample 1, class 0, is 1.5, but probabilities are needed");
  CHECK(message(-0.5f).find("-0.5") != std::string::npos);
  CHECK(message(std::nanf("")) == "metrics: the score of sample 1, class 0, is NaN");
  CHECK(message(0.5f, true) == "sample 1 has 0 labels, but exactly one is needed");
  const std::vector<float> scores = {0.5f, 0.5f};
  CHECK(test::message_of<Error>([&] {
          analyze({scores, targets, 1}, std::vector<double>(2, 0.5), false);
        }) == "at_thresholds: 2 thresholds for 1 classes");
}

}  // namespace mld
