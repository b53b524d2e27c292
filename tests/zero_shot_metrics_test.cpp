// Metrics of seen and unseen classes, by hand and against SDL's definitions; how they are reported.
#include <algorithm>
#include <numeric>

#include "core/random.h"
#include "tests/data_files.h"
#include "train/evaluate.h"
#include "train/log_files.h"

namespace mld {
namespace {

// Three pictures, classes u0 s0 u1 s1 (u: unseen).
const std::vector<bool> kSeen = {false, true, false, true};
const std::vector<float> kScores = {0.9f, 0.8f, 0.1f, 0.2f,   //
                                    0.3f, 0.9f, 0.6f, 0.1f,   //
                                    0.7f, 0.2f, 0.1f, 0.95f};
constexpr Label A = Label::absent, P = Label::present;
const std::vector<Label> kTargets = {P, A, A, P,  //
                                     A, P, P, A,  //
                                     A, A, A, P};

}  // namespace

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

TEST_CASE("zero-shot metrics: a part has its columns, and the pictures that show one") {
  const ZeroShotMetrics m = zero_shot_metrics({kScores, kTargets, 4}, kSeen);
  CHECK(m.unseen.classes == 2);
  CHECK(m.unseen.pictures == 2);  // the third shows no unseen class: its 0.7 does not count
  CHECK(m.unseen.map == doctest::Approx(100));
  CHECK(m.seen.pictures == 3);
  // s0: present in the second, which is first of three. s1: 0.95 yes, 0.2 yes, 0.1 no.
  CHECK(m.seen.map == doctest::Approx(100));
  CHECK(m.all.pictures == 3);
  CHECK(m.unseen.chance == doctest::Approx(100 * chance_ap(1, 2)));  // one of two, each class
  // u0 over all three: 0.9 yes first. u1: 0.6 yes first.
  CHECK(m.all.map == doctest::Approx(100));
  // Both unseen labels are among the three best: 2 right of 2 * 3 predicted.
  CHECK(m.unseen.f1_3 == doctest::Approx(100 * 2 * (2.0 / 6) * 1 / (2.0 / 6 + 1)));
  // All: the three best have u0 s0 s1 (2), s0 u1 u0 (2), s1 u0 s0 (1): 5 of 9, of 5.
  CHECK(m.all.f1_3 == doctest::Approx(100 * 2 * (5.0 / 9) / (5.0 / 9 + 1)));
}

TEST_CASE("zero-shot metrics: the parts are the metrics of the parts") {
  constexpr size_t N = 40, K = 7;
  RandomStream random({.seed = 3});
  std::vector<float> scores(N * K), part_scores;
  std::vector<Label> targets(N * K), part_targets;
  std::vector<bool> seen;
  for (size_t k = 0; k < K; ++k) {
    seen.push_back(k % 3 != 0);
  }
  for (size_t i = 0; i < N * K; ++i) {
    scores[i] = static_cast<float>(random.uniform());
    targets[i] = random.coin(0.2) ? P : A;
  }
  for (size_t n = 0; n < N; ++n) {
    if (targets[n * K] == P || targets[n * K + 3] == P || targets[n * K + 6] == P) {
      for (const size_t k : {0, 3, 6}) {
        part_scores.push_back(scores[n * K + k]);
        part_targets.push_back(targets[n * K + k]);
      }
    }
  }
  const Predictions part{part_scores, part_targets, 3};
  const ZeroShotMetrics m = zero_shot_metrics({scores, targets, static_cast<int64_t>(K)}, seen);
  CHECK(m.unseen.pictures == part.samples());
  CHECK(m.unseen.map == map_present(part).percent);
  CHECK(m.unseen.map_official == official_map(part).percent);
  CHECK(m.unseen.f1_3 == f1k(part, 3).f1);
  CHECK(m.unseen.f1_5 == f1k(part, 5).f1);
  CHECK(m.unseen.map < 100);
}

TEST_CASE("zero-shot metrics: none without pictures, and only where classes are unseen") {
  const std::vector<Label> nothing(kTargets.size(), A);
  const ZeroShotMetrics m = zero_shot_metrics({kScores, nothing, 4}, kSeen);
  CHECK(m.unseen.pictures == 0);
  CHECK(m.unseen.map == 0);
  CHECK_THROWS_AS(zero_shot_metrics({kScores, kTargets, 4}, {true, false}), Error);

  Scores scores{.scores = kScores, .targets = kTargets, .indices = {0, 1, 2}, .classes = 4};
  const std::vector<std::string> names = {"u0", "s0", "u1", "s1"};
  CHECK_FALSE(evaluate(scores, names, false).zero_shot);
  CHECK_FALSE(evaluate(scores, names, false, {}, {true, true, true, true}).zero_shot);
  const Evaluation e = evaluate(scores, names, false, {}, kSeen);
  REQUIRE(e.zero_shot);
  CHECK(e.metric("mAP_ZSL") == e.zero_shot->unseen.map);
  const std::string json = evaluation_json(e), text = evaluation_text(e);
  for (const NamedValue& value : named_values(*e.zero_shot)) {
    CHECK(json.find(std::string("\"") + value.key + "\"") != std::string::npos);
    CHECK(text.find(value.key) != std::string::npos);
  }
  CHECK(json.find("\"seen\": false") != std::string::npos);
  CHECK(text.find("u0 * ") != std::string::npos);
  CHECK(text.find("s0 * ") == std::string::npos);
  CHECK(per_class_csv(e).find("f1,seen\nu0,1,") != std::string::npos);
  CHECK(evaluation_json(evaluate(scores, names, false)).find("ZSL") == std::string::npos);
}

TEST_CASE("zero-shot metrics: in results.csv and log.jsonl, of the better weights") {
  const test::TemporaryFolder folder;
  const RunFolder run{folder.path()};
  const Scores scores{.scores = kScores, .targets = kTargets, .indices = {0, 1, 2}, .classes = 4};
  EpochReport report{.epoch = 0, .epochs = 2, .step = 10, .metric = "mAP_ZSL", .zero_shot = true};
  {
    const auto sinks = file_sinks(run, 0);
    for (const auto& sink : sinks) {
      sink->epoch(report);  // an epoch without validation
    }
    report.epoch = 1;
    report.step = 20;
    report.raw = evaluate(scores, {"u0", "s0", "u1", "s1"}, false, {}, kSeen);
    report.average = report.raw;
    report.raw->zero_shot->unseen.map = 25;
    report.average->zero_shot->unseen.map = 50;
    for (const auto& sink : sinks) {
      sink->epoch(report);
    }
  }
  const std::vector<std::string> rows = test::lines_of(run.results());
  REQUIRE(rows.size() == 3);
  CHECK(rows[0] ==
        "epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds,mAP_ZSL,mAP_official_ZSL,"
        "chance_ZSL,F1@3_ZSL,F1@5_ZSL,mAP_GZSL,chance_GZSL,F1@3_GZSL,F1@5_GZSL,mAP_seen,"
        "F1@3_seen,F1@5_seen");
  CHECK(rows[1] == "1,10,0,0,mAP_ZSL,,,-1,0.0,,,,,,,,,,,,");
  CHECK(rows[2].find("2,20,0,0,mAP_ZSL,25,50,-1,0.0,50,") == 0);
  CHECK(std::ranges::count(rows[2], ',') == std::ranges::count(rows[0], ','));
  const std::vector<std::string> events = test::lines_of(run.events());
  REQUIRE(events.size() == 3);  // with the start
  CHECK(events[1].find("mAP_ZSL\": ") == std::string::npos);
  CHECK(events[2].find("\"mAP_ZSL\": 50") != std::string::npos);
}

}  // namespace mld
