// Metrics against the published codes' values (tests/fixtures) and hand-worked corner cases.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
#include "data/safetensors.h"
#include "tests/paths.h"
#include "train/metrics.h"

namespace {

using mld::Unknown;
using mld::Label;

mld::SafeTensorsFile fixture(const std::string& name) {
  return mld::SafeTensorsFile(std::filesystem::path(mld::test::source_dir()) / "tests/fixtures" /
                              (name + ".safetensors"));
}

// Scores and labels that own their memory.
struct Owned {
  std::vector<float> scores;
  std::vector<Label> targets;
  int64_t classes = 0;

  mld::Predictions view() const { return {scores, targets, classes}; }
};

// Targets 0/1; labels where `difficult` is 1 become unknown.
Owned load(const mld::SafeTensorsFile& file, const std::string& scores, const std::string& targets,
           const std::string& difficult = "") {
  Owned owned;
  owned.classes = file.at(scores).shape.back();
  for (const double score : file.at(scores).to_doubles()) {
    owned.scores.push_back(static_cast<float>(score));
  }
  for (const double target : file.at(targets).to_doubles()) {
    owned.targets.push_back(target > 0 ? Label::present : Label::absent);
  }
  const auto skip = difficult.empty() ? std::vector<double>{} : file.at(difficult).to_doubles();
  for (size_t i = 0; i < skip.size(); ++i) {
    if (skip[i] != 0) {
      owned.targets[i] = Label::unknown;
    }
  }
  return owned;
}

// max |a - b| / max(max |b|, 1e-6): the fixtures' error measure; NaN counts as infinite.
double error(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, scale = 1e-6;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    worst = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                   : std::max(worst, difference);
    scale = std::max(scale, std::abs(b[i]));
  }
  return worst / scale;
}

std::vector<double> listed(const mld::PrecisionRecall& m) {
  return {m.class_precision, m.class_recall, m.class_f1,
          m.overall_precision, m.overall_recall, m.overall_f1};
}

// The published ML-GCN code returns fractions, overall values first.
std::vector<double> listed_mlgcn(const mld::PrecisionRecall& m) {
  return {m.overall_precision / 100, m.overall_recall / 100, m.overall_f1 / 100,
          m.class_precision / 100,   m.class_recall / 100,   m.class_f1 / 100};
}

constexpr double kLimit = 1e-6;  // of the fixtures' manifest
constexpr Label P = Label::present, A = Label::absent, I = Label::unknown;

}  // namespace

TEST_CASE("official mAP: fixture") {
  const mld::SafeTensorsFile file = fixture("metric_map");
  const bool equal_to_official[] = {true, false, true, true};  // see the manifest: unstable ties
  for (int c = 0; c < 4; ++c) {
    CAPTURE(c);
    const std::string prefix = "map/" + std::to_string(c) + "/";
    const Owned owned = load(file, prefix + "scores", prefix + "targets");
    const mld::MeanAp map = mld::official_map(owned.view());
    CHECK(error(map.ap, file.at(prefix + "ap_stable").to_doubles()) <= kLimit);
    if (equal_to_official[c]) {
      CHECK(error(map.ap, file.at(prefix + "ap_official").to_doubles()) <= kLimit);
      CHECK(error({map.percent}, file.at(prefix + "map_official").to_doubles()) <= kLimit);
    }
  }
}

TEST_CASE("VOC average precision: fixture") {
  const mld::SafeTensorsFile file = fixture("metric_voc");
  for (const std::string prefix : {"0/", "1/"}) {
    CAPTURE(prefix);
    const Owned all = load(file, prefix + "scores", prefix + "targets");
    const Owned skip = load(file, prefix + "scores", prefix + "targets", prefix + "difficult");
    const auto expected = [&](const char* name) { return file.at(prefix + name).to_doubles(); };
    CHECK(error(mld::voc_map_all_points(all.view()).ap, expected("ap_all_points")) <= kLimit);
    CHECK(error(mld::voc_map_11_points(all.view()).ap, expected("ap_11_points")) <= kLimit);
    CHECK(error(mld::voc_map_11_points(skip.view()).ap, expected("ap_11_points_no_difficult")) <=
          kLimit);
    CHECK(error(mld::voc_map_11_points(skip.view(), Unknown::as_absent).ap,
                expected("ap_11_points_no_difficult")) > 1e-3);  // so that skipping is tested
    CHECK(error(mld::official_map(all.view()).ap, expected("ap_official")) <= kLimit);
  }
}

TEST_CASE("precision and recall: fixture") {
  const mld::SafeTensorsFile file = fixture("metric_prf");
  const double thresholds[] = {0.5, 0.75};
  for (int c = 0; c < 2; ++c) {
    CAPTURE(c);
    const std::string prefix = std::to_string(c) + "/";
    const auto expected = [&](const char* name) { return file.at(prefix + name).to_doubles(); };
    const Owned plain = load(file, prefix + "scores", prefix + "targets");
    CHECK(error(listed(mld::official_precision_recall(plain.view(), thresholds[c])),
                expected("validate")) <= kLimit);

    // ML-GCN encodes absent, difficult, present as -1, 0, 1.
    Owned three = load(file, prefix + "logits", prefix + "targets3");
    const std::vector<double> encoded = expected("targets3");
    for (size_t i = 0; i < encoded.size(); ++i) {
      three.targets[i] = encoded[i] > 0 ? P : encoded[i] < 0 ? A : I;
    }
    CHECK(error(mld::mlgcn_map(three.view(), Unknown::as_absent).ap,
                expected("mlgcn_ap_difficult_0")) <= kLimit);
    CHECK(error(mld::mlgcn_map(three.view(), Unknown::skip).ap,
                expected("mlgcn_ap_difficult_1")) <= kLimit);
    const auto overall = [&](int top) {
      return listed_mlgcn(
          mld::mlgcn_precision_recall(three.view(), 0.0, top, Unknown::as_absent));
    };
    CHECK(error(overall(0), expected("mlgcn_overall")) <= kLimit);
    CHECK(error(overall(3), expected("mlgcn_top3")) <= kLimit);
  }
}

TEST_CASE("top-1 and top-5: fixture") {
  const mld::SafeTensorsFile file = fixture("metric_topk");
  const Owned owned = load(file, "logits", "logits");
  std::vector<int64_t> targets;
  for (const double target : file.at("targets").to_doubles()) {
    targets.push_back(static_cast<int64_t>(target));
  }
  const std::vector<double> ours = {mld::top_k_accuracy(owned.scores, targets, owned.classes, 1),
                                    mld::top_k_accuracy(owned.scores, targets, owned.classes, 5)};
  CHECK(error(ours, file.at("top1_top5").to_doubles()) <= kLimit);
}

TEST_CASE("F1 at K, CLIP-Decoder's form: fixture") {
  const mld::SafeTensorsFile file = fixture("metric_f1_clipdecoder");
  for (const std::string prefix : {"0/", "1/"}) {
    const Owned owned = load(file, prefix + "scores", prefix + "targets");
    for (const int k : {3, 5}) {
      const mld::F1AtK f1 = mld::f1_at_k(owned.view(), k, true);
      CHECK(error({f1.precision, f1.recall, f1.f1},
                  file.at(prefix + "prf_top" + std::to_string(k)).to_doubles()) <= kLimit);
    }
  }
}

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
  CHECK(mld::mlgcn_map(one.view(), Unknown::skip).ap[0] == 1.0);     // has none
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
  CHECK(mlgcn.class_precision == doctest::Approx(75.0));  // the score on the threshold is a hit
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
  CHECK(mld::top_k_accuracy(scores, std::vector<int64_t>{0, 1}, 3, 1) == doctest::Approx(50.0));
  CHECK(mld::top_k_accuracy(scores, std::vector<int64_t>{0, 1}, 3, 2) == doctest::Approx(100.0));
  const Owned owned = {scores, {P, A, A, A, A, A}, 3};
  CHECK(mld::f1_at_k(owned.view(), 1, true).precision == doctest::Approx(50.0));
  CHECK(mld::f1_at_k(owned.view(), 1, false).precision == doctest::Approx(100.0));
}

TEST_CASE("NaN scores and sizes that disagree are errors") {
  const Owned nan = {{0.5f, std::numeric_limits<float>::quiet_NaN()}, {P, A}, 2};
  CHECK_THROWS_AS(mld::official_map(nan.view()), mld::NumericError);
  CHECK_THROWS_AS(mld::top_k_accuracy(nan.scores, std::vector<int64_t>{0}, 2, 1),
                  mld::NumericError);
  const Owned uneven = {{0.5f, 0.5f, 0.5f}, {P, A, A}, 2};
  CHECK_THROWS_AS(mld::official_map(uneven.view()), mld::Error);
  CHECK_THROWS_AS(mld::top_k_accuracy(uneven.scores, std::vector<int64_t>{3}, 3, 1), mld::Error);
}
