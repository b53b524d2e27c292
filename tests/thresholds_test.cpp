// Thresholds per class: fitted by hand-worked rules, and never beaten by any other.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "tests/data_files.h"
#include "train/thresholds.h"

namespace mld {
namespace {

constexpr Label P = Label::present, A = Label::absent, I = Label::unknown;

double fitted(const std::vector<float>& scores, const std::vector<Label>& targets,
              std::optional<double> precision = std::nullopt) {
  return fit_thresholds({scores, targets, 1}, precision).at(0);
}

doctest::Approx middle(float a, float b) {
  return doctest::Approx((double{a} + double{b}) / 2).epsilon(1e-12);
}

}  // namespace

TEST_CASE("the best F1: half-way to the next score; of equally good thresholds the largest") {
  // After 1, 2, ... samples F1 is 2/3, 1/2, 4/5, 2/3, 4/7.
  CHECK(fitted({0.9f, 0.8f, 0.7f, 0.2f, 0.1f}, {P, A, P, A, A}) == middle(0.7f, 0.2f));
  CHECK(fitted({0.2f, 0.7f, 0.1f, 0.9f, 0.8f}, {A, P, A, P, A}) == middle(0.7f, 0.2f));
  // 2/3 after one and after four samples.
  CHECK(fitted({0.9f, 0.8f, 0.7f, 0.6f, 0.1f}, {P, A, A, P, A}) == middle(0.9f, 0.8f));
  CHECK(fitted({0.9f, 0.8f}, {A, P}) == middle(0.8f, 0.0f));  // all accepted
  CHECK(fitted({0.0f, 0.0f}, {P, A}) == 0);
}

TEST_CASE("equal scores are accepted or refused together") {
  CHECK(fitted({0.9f, 0.5f, 0.5f, 0.5f, 0.1f}, {P, A, P, A, A}) == middle(0.9f, 0.5f));
  CHECK(fitted({0.5f, 0.5f, 0.5f, 0.1f}, {P, A, P, A}) == middle(0.5f, 0.1f));
  CHECK(fitted({0.5f, 0.5f}, {P, A}, 1) == kNever);
  // Two neighbouring numbers: the threshold lies between them, in double arithmetic.
  const float low = 0.5f, high = std::nextafter(low, 1.0f);
  const double between = fitted({low, high}, {A, P});
  CHECK(double{low} < between);
  CHECK(between < double{high});
}

TEST_CASE("a wanted precision: the largest recall that has it") {
  const std::vector<float> scores = {0.9f, 0.8f, 0.7f, 0.6f, 0.5f};
  const std::vector<Label> targets = {P, A, P, P, A};  // precision 1, 1/2, 2/3, 3/4, 3/5
  CHECK(fitted(scores, targets, 0.75) == middle(0.6f, 0.5f));
  CHECK(fitted(scores, targets, 0.7) == middle(0.6f, 0.5f));
  CHECK(fitted(scores, targets, 0.5) == middle(0.6f, 0.5f));  // equal recall: the larger one
  CHECK(fitted(scores, targets, 0.76) == middle(0.9f, 0.8f));
  CHECK(fitted(scores, targets, 1) == middle(0.9f, 0.8f));
  CHECK(fitted({0.9f, 0.8f}, {A, P}, 0.9) == kNever);
}

TEST_CASE("classes without positives keep the default; unknown labels are skipped") {
  CHECK(fitted({0.9f, 0.1f}, {A, A}) == kDefaultThreshold);
  CHECK(fitted({0.9f, 0.1f}, {I, I}) == kDefaultThreshold);
  CHECK(fitted({0.9f, 0.1f}, {A, A}, 0.9) == kDefaultThreshold);
  CHECK(fitted({0.9f, 0.5f, 0.1f}, {P, I, A}) == middle(0.9f, 0.1f));
  CHECK(fitted({0.9f, 0.8f, 0.1f}, {I, P, A}, 1) == middle(0.8f, 0.1f));
}

TEST_CASE("decisions at thresholds: a score at its threshold counts; macro and micro F1") {
  // Class 0: one hit, one miss. Class 1: one hit, one false. Class 2: no positive, one false, one
  // unknown. Class 3: never.
  const std::vector<float> scores = {0.5f, 0.9f, 0.9f, 0.9f, 0.4f, 0.9f, 0.9f, 0.9f};
  const std::vector<Label> targets = {P, P, A, P, P, A, I, A};
  const std::vector<double> thresholds = {0.5, 0.2, 0.1, kNever};
  const AtThresholds at = at_thresholds({scores, targets, 4}, thresholds);
  CHECK(at.classes[0].precision == 1);
  CHECK(at.classes[0].recall == 0.5);
  CHECK(at.classes[0].f1 == doctest::Approx(2.0 / 3));
  CHECK(at.classes[1].precision == 0.5);
  CHECK(at.classes[1].recall == 1);
  CHECK(at.classes[2].f1 == 0);
  CHECK(at.classes[3].threshold == kNever);
  CHECK(at.classes[3].f1 == 0);
  CHECK(at.macro_f1 == doctest::Approx(100 * (2.0 / 3 + 2.0 / 3) / 4));
  CHECK(at.micro_f1 == doctest::Approx(100 * 2 * 2.0 / (4 + 4)));  // 2 right of 4, 4 positives
}

TEST_CASE("no other threshold is better, on random scores with many ties") {
  RandomStream random({7, 0, 0});
  constexpr size_t kSamples = 60;
  int never = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<float> scores;
    std::vector<Label> targets;
    for (size_t i = 0; i < kSamples; ++i) {
      scores.push_back(static_cast<float>(random.below(20)) / 19.0f);
      targets.push_back(std::vector{A, A, A, P, I}[static_cast<size_t>(random.below(5))]);
    }
    const Predictions p{scores, targets, 1};
    const auto at = [&](double threshold) {
      return at_thresholds(p, std::vector<double>{threshold}).classes[0];
    };
    const double wanted = 0.1 + 0.1 * random.below(6);
    const ClassDecisions best = at(fit_thresholds(p)[0]);
    const double precise_threshold = fit_thresholds(p, wanted)[0];
    const ClassDecisions precise = at(precise_threshold);
    never += precise_threshold == kNever;
    CHECK((precise_threshold == kNever || precise.precision >= wanted));
    for (int i = 0; i < 20; ++i) {
      const ClassDecisions other = at((i - 0.5) / 19.0);
      CHECK(other.f1 <= best.f1 + 1e-12);
      CHECK((other.precision < wanted || other.recall <= precise.recall));
    }
  }
  CHECK(never > 0);
  CHECK(never < 100);
}

TEST_CASE("thresholds as people read them") {
  CHECK(threshold_text(0.31749, 3) == "0.317");
  CHECK(threshold_text(0.31749, 1, 100) == "31.7");
  CHECK(threshold_text(1, 1, 100) == "100.0");
  CHECK(threshold_text(kNever, 4) == "never");
  CHECK(threshold_text(kNever, 1, 100) == "never");
}

TEST_CASE("errors: thresholds") {
  const std::vector<float> scores = {0.5f, std::numeric_limits<float>::quiet_NaN()};
  const std::vector<Label> targets = {P, A};
  CHECK_THROWS_AS(fit_thresholds({scores, targets, 1}), NumericError);
  const std::vector<float> good = {0.5f, 0.4f};
  CHECK(test::message_of<Error>([&] {
          at_thresholds({good, targets, 1}, std::vector<double>(2, 0.5));
        }) == "at_thresholds: 2 thresholds for 1 classes");
  for (const double precision : {0.0, -1.0, 1.5, std::nan("")}) {
    CHECK_THROWS_AS(fit_thresholds({good, targets, 1}, precision), UsageError);
  }
}

}  // namespace mld
