// Metrics: hand-worked corner cases. tests/parity compares them with the published code's values.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
#include "train/metrics.h"

namespace {

using mld::Unknown;
using mld::Label;

// Scores and labels that own their memory.
struct Owned {
  std::vector<float> scores;
  std::vector<Label> targets;
  int64_t classes = 0;

  mld::Predictions view() const { return {scores, targets, classes}; }
};

constexpr Label P = Label::present, A = Label::absent, I = Label::unknown;

}  // namespace

TEST_CASE("classes without positives count as their definition says") {
  // Class 0: positives at ranks 1 and 3; class 1: none; class 2: unknown only.
  const Owned owned = {{0.9f, 0.1f, 0.3f, 0.8f, 0.2f, 0.2f, 0.7f, 0.3f, 0.1f},
                       {P, A, I, A, A, I, P, A, I}, 3};
  const double ap = (1.0 + 2.0 / 3.0) / 2.0;
  CHECK(mld::official_map(owned.view()).percent == doctest::Approx(100 * ap / 3));
  const mld::MeanAp present = mld::map_present(owned.view());
  CHECK(present.percent == doctest::Approx(100 * ap));
  CHECK(present.without_positives == 2);
  CHECK(present.positives == std::vector<int64_t>{2, 0, 0});
  const Owned one = {{0.5f, 0.4f}, {P, A}, 1};
  CHECK(mld::official_map(one.view()).ap[0] == 1.0 / (1.0 + 1e-8));  // the published epsilon
  CHECK(mld::mlgcn_map(one.view(), Unknown::skip).ap[0] == 1.0);     // without it
  const Owned none = {{0.5f, 0.4f}, {A, A}, 1};
  CHECK(mld::map_present(none.view()).percent == 0.0);
  CHECK(mld::official_map(none.view()).percent == 0.0);
}

TEST_CASE("unknown labels do not shift ranks; ties go to the later sample") {
  const Owned unknown = {{0.9f, 0.8f, 0.7f}, {I, P, A}, 1};
  CHECK(mld::official_map(unknown.view()).percent == doctest::Approx(100.0));
  CHECK(mld::mlgcn_map(unknown.view(), Unknown::as_absent).percent == doctest::Approx(50.0));
  const Owned late = {{0.5f, 0.5f, 0.5f}, {A, A, P}, 1};
  const Owned early = {{0.5f, 0.5f, 0.5f}, {P, A, A}, 1};
  CHECK(mld::official_map(late.view()).percent == doctest::Approx(100.0));
  CHECK(mld::official_map(early.view()).percent == doctest::Approx(100.0 / 3));
}

TEST_CASE("11 points: a recall of exactly 0.3 reaches the point 0.3") {
  // Ten positives: three first, then 97 negatives, then seven positives.
  Owned owned;
  owned.classes = 1;
  for (int i = 0; i < 107; ++i) {
    owned.scores.push_back(-static_cast<float>(i));
    owned.targets.push_back(i < 3 || i >= 100 ? P : A);
  }
  const double low = 10.0 / 107.0;  // precision once all are found: the best beyond recall 0.3
  CHECK(mld::voc_map_11_points(owned.view()).percent ==
        doctest::Approx(100 * (4 + 7 * low) / 11));
  CHECK(mld::voc_map_all_points(owned.view()).percent == doctest::Approx(100 * (3 + 7 * low) / 10));
}

TEST_CASE("the two definitions of CF1 differ, thresholds are strict and not") {
  // Class 0: P 1, R 0.5.  Class 1: P 0.5, R 1 (one score sits on the threshold).
  const Owned owned = {{0.9f, 0.9f, 0.1f, 0.5f}, {P, P, P, A}, 2};
  const mld::PrecisionRecall official = mld::official_precision_recall(owned.view(), 0.5);
  CHECK(official.class_f1 == doctest::Approx(100 * (2.0 / 3.0 + 1.0) / 2));
  const mld::PrecisionRecall mlgcn =
      mld::mlgcn_precision_recall(owned.view(), 0.5, 0, Unknown::skip);
  CHECK(mlgcn.class_precision == doctest::Approx(75.0));  // a score on the threshold counts
  CHECK(mlgcn.class_recall == doctest::Approx(75.0));
  CHECK(mlgcn.class_f1 == doctest::Approx(75.0));
  const std::vector<mld::ClassMetrics> table =
      mld::class_table(owned.view(), std::vector<std::string>{"a", "b"}, 0.5);
  CHECK(table[0].name == "a");
  CHECK(table[0].positives == 2);
  CHECK(table[0].recall == doctest::Approx(0.5));
  CHECK(table[0].f1 == doctest::Approx(2.0 / 3.0));
  CHECK(table[1].ap == doctest::Approx(1.0));
}

TEST_CASE("ties in top-k and F1 at K go to the lower class") {
  const std::vector<float> scores = {1, 1, 0, 1, 1, 0};
  const Owned single = {scores, {P, A, A, A, P, A}, 3};
  CHECK(mld::top_k_accuracy(single.view(), 1) == doctest::Approx(50.0));
  CHECK(mld::top_k_accuracy(single.view(), 2) == doctest::Approx(100.0));
  const Owned owned = {scores, {P, A, A, A, A, A}, 3};
  CHECK(mld::f1k(owned.view(), 1, true).precision == doctest::Approx(50.0));
  CHECK(mld::f1k(owned.view(), 1).precision == doctest::Approx(100.0));
}

TEST_CASE("F1 at K: pooled, with and without pictures that show nothing; K beyond the classes") {
  // Best two labels: {0, 1}, {2, 1}, {0, 2}. The second picture has no positive; in the third an
  // unknown label is among them.
  const Owned owned = {{0.9f, 0.8f, 0.1f, 0.1f, 0.2f, 0.3f, 0.9f, 0.1f, 0.8f},
                       {P, A, P, A, A, A, I, P, P}, 3};
  const mld::F1AtK dropped = mld::f1k(owned.view(), 2), kept = mld::f1k(owned.view(), 2, true);
  CHECK(dropped.precision == doctest::Approx(100.0 * 2 / 4));
  CHECK(dropped.recall == doctest::Approx(100.0 * 2 / 4));
  CHECK(kept.precision == doctest::Approx(100.0 * 2 / 6));
  CHECK(kept.recall == doctest::Approx(100.0 * 2 / 4));
  CHECK(kept.f1 == doctest::Approx(100.0 * 2 * 2 / (6 + 4)));
  const mld::F1AtK all = mld::f1k(owned.view(), 5);  // three labels found, five counted
  CHECK(all.precision == doctest::Approx(100.0 * 4 / 10));
  CHECK(all.recall == doctest::Approx(100.0));
  CHECK_THROWS_AS(mld::f1k(owned.view(), 0), mld::Error);
}

TEST_CASE("NaN scores and sizes that disagree are errors") {
  const Owned nan = {{0.5f, std::numeric_limits<float>::quiet_NaN()}, {P, A}, 2};
  CHECK_THROWS_AS(mld::official_map(nan.view()), mld::NumericError);
  CHECK_THROWS_AS(mld::top_k_accuracy(nan.view(), 1), mld::NumericError);
  const Owned uneven = {{0.5f, 0.5f, 0.5f}, {P, A, A}, 2};
  CHECK_THROWS_AS(mld::official_map(uneven.view()), mld::Error);
  CHECK_THROWS_AS(mld::top_k_accuracy(uneven.view(), 1), mld::Error);
  const Owned unlabelled = {{0.5f, 0.5f}, {A, A}, 2};
  CHECK_THROWS_AS(mld::top_k_accuracy(unlabelled.view(), 1), mld::Error);
}
