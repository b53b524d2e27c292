// Counts at evenly spaced thresholds against plain loops.
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
#include "core/random.h"
#include "train/threshold_curve.h"

namespace mld {
namespace {

// Random scores, many of them exactly on thresholds, and labels of all three kinds.
struct Sample {
  std::vector<float> scores;
  std::vector<Label> targets;
  Predictions predictions() const { return {scores, targets, 5}; }
};

Sample sample(size_t thresholds) {
  Sample made;
  RandomStream random({.seed = 7});
  for (int i = 0; i < 5 * 400; ++i) {
    const auto any = static_cast<float>(random.uniform());
    const auto step = static_cast<float>(thresholds - 1);
    const float on_threshold = static_cast<float>(static_cast<int>(any * (step + 1))) / step;
    made.scores.push_back(i % 3 == 0 ? on_threshold : any);
    const bool rare = i % 5 == 2;  // class 2 has fewer positives
    const double draw = random.uniform();
    made.targets.push_back(i % 5 == 4      ? Label::absent
                           : draw < 0.1    ? Label::unknown
                           : draw < (rare ? 0.2 : 0.5) ? Label::present
                                                         : Label::absent);
  }
  return made;
}

}  // namespace

TEST_CASE("threshold curves count what plain loops count") {
  const std::vector<std::string> names = {"a", "b", "c", "d", "none"};
  for (const size_t thresholds : {size_t{2}, size_t{11}, size_t{101}, size_t{128}}) {
    CAPTURE(thresholds);
    const Sample data = sample(thresholds);
    const auto curves = threshold_curves(data.predictions(), names, 5, thresholds);
    REQUIRE(curves.size() == 5);  // all together, and four: "none" has no positives
    CHECK(curves[0].name.empty());
    CHECK(curves.back().name == "c");
    for (const ThresholdCurve& curve : curves) {
      for (size_t i = 0; i < thresholds; ++i) {
        const double threshold = static_cast<double>(i) / static_cast<double>(thresholds - 1);
        int64_t tp = 0, fp = 0, positives = 0, negatives = 0;
        for (size_t at = 0; at < data.scores.size(); ++at) {
          if ((curve.name.empty() || names[at % 5] == curve.name) &&
              data.targets[at] != Label::unknown) {
            const bool present = data.targets[at] == Label::present;
            const bool passed = static_cast<double>(data.scores[at]) >= threshold;
            tp += present && passed;
            fp += !present && passed;
            positives += present;
            negatives += !present;
          }
        }
        CAPTURE(curve.name);
        CAPTURE(i);
        REQUIRE(curve.true_positives[i] == tp);
        REQUIRE(curve.false_positives[i] == fp);
        REQUIRE(curve.positives == positives);
        REQUIRE(curve.negatives == negatives);
        REQUIRE(curve.precision(i) == (tp + fp == 0 ? 1 : static_cast<double>(tp) / (tp + fp)));
        REQUIRE(curve.recall(i) == static_cast<double>(tp) / positives);
      }
    }
  }
}

TEST_CASE("threshold curves: the commonest classes, and none without positives") {
  const std::vector<float> scores = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
  const std::vector<Label> targets = {Label::absent, Label::present, Label::present,
                                      Label::absent, Label::present, Label::absent};
  const std::vector<std::string> names = {"a", "b", "c"};
  const Predictions predictions{scores, targets, 3};
  const auto one = threshold_curves(predictions, names, 1);
  REQUIRE(one.size() == 2);
  CHECK(one[1].name == "b");
  CHECK(threshold_curves(predictions, names, 9).size() == 3);
  CHECK(threshold_curves(predictions, names, 0).size() == 1);
  CHECK(one[0].precision(51) == 1);  // nothing is predicted above 0.5
  CHECK_THROWS_AS(threshold_curves(predictions, {}, 1), Error);
}

}  // namespace mld
