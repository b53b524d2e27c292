// Metrics of unseen and of all classes, and the mAP that chance would have.
#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

#include "core/error.h"
#include "train/evaluate.h"
#include "train/zero_shot_metrics.h"

namespace mld {

TEST_CASE("chance: the expected AP is the mean over all orders") {
  std::vector<int> order(6);
  for (const int positives : {1, 2, 5, 6}) {
    std::iota(order.begin(), order.end(), 0);
    double sum = 0, count = 0;
    do {
      int found = 0;
      double ap = 0;
      for (int r = 0; r < 6; ++r) {
        if (order[static_cast<size_t>(r)] < positives) {
          ap += static_cast<double>(++found) / (r + 1);
        }
      }
      sum += ap / positives;
      ++count;
    } while (std::next_permutation(order.begin(), order.end()));
    CHECK(chance_ap(positives, 6) == doctest::Approx(sum / count));
  }
  CHECK(chance_ap(1, 1) == 1);
}

namespace {

constexpr Label P = Label::present, A = Label::absent;

// Four pictures, classes a and c seen, b and d not. The last picture shows seen classes only.
const Scores kScores{.scores = {0.9f, 0.8f, 0.1f, 0.2f, 0.3f, 0.4f, 0.2f, 0.6f,
                                0.5f, 0.7f, 0.6f, 0.1f, 0.8f, 0.9f, 0.7f, 0.3f},
                     .targets = {P, A, A, P, A, P, A, A, P, P, A, A, P, A, P, A},
                     .indices = {4, 5, 6, 7},
                     .classes = 4};

}  // namespace

TEST_CASE("metrics of some classes leave out the pictures that show none of them") {
  const Scores part = scores_of(kScores, {false, true, false, true});
  CHECK(part.classes == 2);
  CHECK(part.indices == std::vector<int64_t>{4, 5, 6});
  CHECK(part.scores == std::vector<float>{0.8f, 0.2f, 0.4f, 0.6f, 0.7f, 0.1f});
  CHECK(part.targets == std::vector<Label>{A, P, P, A, P, A});
  const auto all = zero_shot_metrics(kScores, {true, false, true, false});
  REQUIRE(all.size() == 3);
  CHECK(all[0].name == "ZSL");
  CHECK(all[0].samples == 3);
  CHECK(all[0].map == doctest::Approx(100 * ((0.5 + 2.0 / 3) / 2 + 0.5) / 2));
  CHECK(all[0].chance ==
        doctest::Approx(50 * (chance_ap(2, 3) + chance_ap(1, 3))));
  CHECK(all[1].name == "GZSL");
  CHECK(all[1].classes == 4);
  CHECK(all[1].f1_3 == f1k(kScores.predictions(), 3).f1);
  CHECK(all[2].classes == 2);
  CHECK(zero_shot_metrics(kScores, {}).empty());
  CHECK(zero_shot_metrics(kScores, {true, true, true, true}).empty());
  CHECK(scores_of(kScores, {false, false, false, false}).targets.empty());
}

TEST_CASE("evaluation reports unseen and all classes in one run") {
  const std::vector<std::string> names{"a", "b", "c", "d"};
  const std::vector<bool> seen{true, false, true, false};
  const Evaluation e = evaluate(kScores, names, false, {}, seen);
  CHECK(e.metric("mAP_ZSL") == e.subsets[0].map);
  CHECK(e.metric("mAP_GZSL") == e.subsets[1].map);
  CHECK(evaluation_text(e).find("of 2 unseen classes, 3 pictures") != std::string::npos);
  CHECK(evaluation_json(e).find("\"F1@3_ZSL\"") != std::string::npos);
  const Evaluation closed = evaluate(kScores, names, false);
  CHECK(evaluation_json(closed).find("ZSL") == std::string::npos);
  CHECK_THROWS_AS(closed.metric("mAP_ZSL"), UsageError);
  const auto has = [](const auto& list, std::string_view name) {
    return std::ranges::find(list, name) != list.end();
  };
  CHECK(has(best_metric_names(false, true), "mAP_ZSL"));
  CHECK_FALSE(has(best_metric_names(false), "mAP_ZSL"));
}

}  // namespace mld
