// Suspect labels, confusions and the comparison of two runs: hand-worked cases, and twins written
// from the definitions.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "tests/data_files.h"
#include "tests/prediction_cases.h"
#include "train/analysis/confusions.h"
#include "train/analysis/label_errors.h"
#include "train/thresholds.h"

namespace mld {
namespace {

using test::A, test::I, test::OwnedPredictions, test::P, test::random_predictions;
constexpr int64_t kNone = LabelError::kNone, kMany = 1'000'000;

// Confident learning's definition for C classes, literally: given[i] is sample i's class, p(i, c)
// its score. Returns (sample, given, likely).
using Suspect = std::tuple<int64_t, int64_t, int64_t>;
template <class Score>
std::vector<Suspect> confident_joint_off_diagonal(const std::vector<int64_t>& given, int64_t C,
                                                  Score&& p) {
  std::vector<double> t(static_cast<size_t>(C), 0);
  std::vector<int64_t> n(static_cast<size_t>(C), 0);
  for (size_t i = 0; i < given.size(); ++i) {
    t[static_cast<size_t>(given[i])] += p(i, given[i]);
    ++n[static_cast<size_t>(given[i])];
  }
  std::vector<Suspect> suspects;
  for (size_t i = 0; i < given.size(); ++i) {
    std::map<double, std::vector<int64_t>> reached;
    for (int64_t c = 0; c < C; ++c) {
      const auto at = static_cast<size_t>(c);
      if (n[at] > 0 && p(i, c) >= t[at] / static_cast<double>(n[at])) {
        reached[p(i, c)].push_back(c);
      }
    }
    if (reached.empty()) {
      continue;
    }
    const std::vector<int64_t>& best = reached.rbegin()->second;
    if (std::ranges::find(best, given[i]) == best.end()) {
      suspects.emplace_back(i, given[i], best[0]);
    }
  }
  return suspects;
}

std::vector<Suspect> sorted(std::vector<Suspect> suspects) {
  std::ranges::sort(suspects);
  return suspects;
}

OwnedPredictions single_label(int64_t samples, int64_t classes, uint64_t seed) {
  RandomStream random({seed, 0, 0});
  OwnedPredictions p{.scores = {}, .targets = {}, .classes = classes};
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t label = random.below(static_cast<int>(classes) - 1);  // the last has none
    double sum = 0;
    std::vector<double> parts;
    for (int64_t k = 0; k < classes; ++k) {
      // Class 0 has a high threshold, so that its samples may be another's with a lower score.
      parts.push_back((random.below(5) + (k == label ? 2 : 0) + 0.25) * (k == 0 ? 3 : 1));
      sum += parts.back();
    }
    for (int64_t k = 0; k < classes; ++k) {
      p.scores.push_back(static_cast<float>(parts[static_cast<size_t>(k)] / sum));
      p.targets.push_back(k == label ? P : A);
    }
  }
  return p;
}

}  // namespace

TEST_CASE("suspect labels of a class, worked by hand") {
  // Present: 0.9, 0.8, 0.1, threshold 0.6. Absent: self-confidences 0.9, 0.8, 0.3 (score 0.7),
  // threshold 2/3. 0.1 labelled present reaches "absent" (0.9); 0.7 labelled absent "present".
  const OwnedPredictions p{.scores = {0.9f, 0.8f, 0.1f, 0.1f, 0.2f, 0.7f, 0.99f},
                           .targets = {P, P, P, A, A, A, I}};
  const LabelErrors errors = label_errors_of_class(p.ranking(), 4, 10);
  CHECK(errors.found == 2);
  REQUIRE(errors.worst.size() == 2);
  CHECK(errors.worst[0].sample == 2);
  CHECK(errors.worst[0].given == 4);
  CHECK(errors.worst[0].likely == kNone);
  CHECK(errors.worst[0].margin == doctest::Approx(-0.8));
  CHECK(errors.worst[1].sample == 5);
  CHECK(errors.worst[1].given == kNone);
  CHECK(errors.worst[1].likely == 4);
  CHECK(errors.worst[1].score == 0.7f);
  CHECK(errors.worst[1].margin == doctest::Approx(-0.4));
  CHECK(label_errors_of_class(p.ranking(), 4, 1).worst.size() == 1);
  CHECK(label_errors_of_class(p.ranking(), 4, 1).found == 2);
}

TEST_CASE("no suspects without both kinds of labels, nor at one half") {
  const OwnedPredictions positives{.scores = {0.9f, 0.1f}, .targets = {P, P}};
  CHECK(label_errors_of_class(positives.ranking(), 0, 10).found == 0);
  const OwnedPredictions negatives{.scores = {0.9f, 0.1f}, .targets = {A, A}};
  CHECK(label_errors_of_class(negatives.ranking(), 0, 10).found == 0);
  CHECK(label_errors_of_class({}, 0, 10).found == 0);
  const OwnedPredictions half{.scores = {0.5f, 0.5f}, .targets = {P, A}};
  CHECK(label_errors_of_class(half.ranking(), 0, 10).found == 0);
}

TEST_CASE("suspects of one class against the rest follow the definition for two classes") {
  int64_t found = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    OwnedPredictions p = random_predictions(60, 4, seed);
    for (float& score : p.scores) {  // a middling model, one that is wrong more often than right,
      score = seed % 3 == 0 ? score : seed % 3 == 1 ? 1 - score : 0.5f + score / 2;  // a vain one
    }
    for (int64_t k = 0; k < p.classes; ++k) {
      const std::vector<RankedSample> ranking = p.ranking(k);
      std::vector<int64_t> given;
      for (const RankedSample& s : ranking) {
        given.push_back(s.positive);
      }
      const auto score = [&](size_t i, int64_t c) {
        return c == 1 ? double{ranking[i].score} : 1 - double{ranking[i].score};
      };
      std::vector<Suspect> expected = confident_joint_off_diagonal(given, 2, score);
      for (auto& [sample, label, likely] : expected) {
        sample = ranking[static_cast<size_t>(sample)].sample;
        label = label == 1 ? k : kNone;
        likely = likely == 1 ? k : kNone;
      }
      const LabelErrors errors = label_errors_of_class(ranking, k, kMany);
      std::vector<Suspect> ours;
      for (const LabelError& e : errors.worst) {
        ours.emplace_back(e.sample, e.given, e.likely);
        const double p_k = double{p.score(e.sample, k)};
        CHECK(e.margin == (e.given == k ? 2 * p_k - 1 : 1 - 2 * p_k));
      }
      CHECK(sorted(ours) == sorted(expected));
      CHECK(std::ranges::is_sorted(errors.worst, worse));
      LabelErrors few = label_errors_of_class(ranking, k, 3);
      CHECK(std::equal(few.worst.begin(), few.worst.end(), errors.worst.begin()));
      CHECK(std::ssize(few.worst) == std::min<int64_t>(3, errors.found));
      found += errors.found;
    }
  }
  CHECK(found > 100);
}

TEST_CASE("suspects with one label a picture follow the definition") {
  int64_t found = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const OwnedPredictions p = single_label(80, 5, seed);
    const auto score = [&](size_t i, int64_t c) {
      return double{p.score(static_cast<int64_t>(i), c)};
    };
    const std::vector<Suspect> expected =
        confident_joint_off_diagonal(only_labels(p.view()), 5, score);
    const LabelErrors errors = single_label_errors(p.view(), kMany);
    std::vector<Suspect> ours;
    for (const LabelError& e : errors.worst) {
      ours.emplace_back(e.sample, e.given, e.likely);
      double other = 0;
      for (int64_t c = 0; c < 5; ++c) {
        other = c == e.given ? other : std::max(other, double{p.score(e.sample, c)});
      }
      CHECK(e.margin == double{p.score(e.sample, e.given)} - other);
      CHECK(e.score == p.score(e.sample, e.likely));
    }
    CHECK(sorted(ours) == sorted(expected));
    found += errors.found;
  }
  CHECK(found > 100);
}

TEST_CASE("errors of several classes: the worst of all, and how many there were") {
  const auto error = [](int64_t sample, double margin) {
    return LabelError{.sample = sample, .given = 0, .margin = margin};
  };
  LabelErrors all;
  add_errors(all, {.worst = {error(3, -0.5), error(1, 0.5)}, .found = 7}, 2);
  add_errors(all, {.worst = {error(2, -0.5)}, .found = 1}, 2);
  CHECK(all.found == 8);
  CHECK(all.worst == std::vector<LabelError>{error(2, -0.5), error(3, -0.5)});
}

TEST_CASE("confusions: pictures with both kinds of error, worked by hand") {
  // Picture 0: class 0 wrongly predicted, 1 and 2 missed. Picture 1: 0 predicted for 1 again, 3
  // unknown. Picture 2: an error of one kind only.
  const OwnedPredictions p{.scores = {0.9f, 0.1f, 0.4f, 0.1f, 0.5f, 0.2f, 0.9f, 0.9f, 0.9f, 0.9f,
                                      0.1f, 0.1f},
                           .targets = {A, P, P, A, A, P, P, I, A, P, A, A},
                           .classes = 4};
  const Confusions found = confusions(p.view(), std::vector<double>(4, 0.5), 10);
  CHECK(found.pairs == std::vector<ConfusedPair>{{0, 1, 2}, {0, 2, 1}});
  CHECK(found.distinct == 2);
  CHECK(found.false_positives == std::vector<int64_t>{3, 0, 0, 0});
  CHECK(found.false_negatives == std::vector<int64_t>{0, 2, 1, 0});
  CHECK(confusions(p.view(), std::vector<double>(4, 0.5), 1).pairs.size() == 1);
}

TEST_CASE("confusions against every pair of every picture") {
  for (const auto& [samples, classes, most] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {50, 6, kMany}, {50, 6, 4}, {20, 90, 10}}) {  // 90: candidates are cut on the way
    const OwnedPredictions p = random_predictions(samples, classes, 5);
    const std::vector<double> thresholds(static_cast<size_t>(classes), 0.5);
    std::map<std::tuple<int64_t, int64_t>, int64_t> counts;
    for (int64_t n = 0; n < samples; ++n) {
      for (int64_t i = 0; i < classes; ++i) {
        for (int64_t j = 0; j < classes; ++j) {
          counts[{i, j}] += p.target(n, i) == A && p.score(n, i) >= 0.5f && p.target(n, j) == P &&
                            p.score(n, j) < 0.5f;
        }
      }
    }
    std::vector<std::tuple<int64_t, int64_t, int64_t>> expected;
    for (const auto& [pair, count] : counts) {
      if (count > 0) {
        expected.emplace_back(-count, std::get<0>(pair), std::get<1>(pair));
      }
    }
    std::ranges::sort(expected);
    const Confusions found = confusions(p.view(), thresholds, most);
    CHECK(found.distinct == std::ssize(expected));
    REQUIRE(std::ssize(found.pairs) == std::min<int64_t>(most, std::ssize(expected)));
    for (size_t i = 0; i < found.pairs.size(); ++i) {
      const ConfusedPair& pair = found.pairs[i];
      CHECK(std::tuple(-pair.pictures, pair.predicted, pair.missed) == expected[i]);
    }
  }
  CHECK(test::message_of<Error>([] {
          confusions(OwnedPredictions{{0.5f}, {P}, 1}.view(), std::vector<double>(2), 1);
        }) == "confusions: 2 thresholds for 1 classes");
}

TEST_CASE("confusion matrix: rows are labels, ties go to the lower class") {
  const OwnedPredictions p{.scores = {0.5f, 0.5f, 0, 0.1f, 0.9f, 0, 0.2f, 0.1f, 0.7f, 0.3f, 0.3f,
                                      0.4f},
                           .targets = {A, P, A, A, P, A, A, P, A, P, A, A},
                           .classes = 3};
  const ConfusionMatrix m = confusion_matrix(p.view());
  CHECK(m.pictures == std::vector<int64_t>{1, 3, 0});
  CHECK(m.count(1, 0) == 1);
  CHECK(m.count(1, 1) == 1);
  CHECK(m.count(1, 2) == 1);
  CHECK(m.count(0, 2) == 1);
  CHECK(m.count(0, 0) == 0);
  CHECK(m.cells.size() == 4);
  CHECK(m.share(1, 2) == doctest::Approx(1.0 / 3));
  CHECK(m.share(2, 2) == 0);
  CHECK(m.worst(2) == std::vector<ConfusionMatrix::Cell>{{0, 2, 1}, {1, 0, 1}});
  const OwnedPredictions two{.scores = {0.5f, 0.4f}, .targets = {P, P}, .classes = 2};
  CHECK(test::message_of<Error>([&] { confusion_matrix(two.view()); }) ==
        "sample 0 has 2 labels, but exactly one is needed");
}

TEST_CASE("confusion matrix against counting") {
  const OwnedPredictions p = single_label(200, 6, 9);
  const ConfusionMatrix m = confusion_matrix(p.view());
  int64_t correct = 0, all = 0;
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t j = 0; j < 6; ++j) {
      int64_t count = 0;
      for (int64_t n = 0; n < 200; ++n) {
        int64_t best = 0;
        for (int64_t k = 1; k < 6; ++k) {
          best = p.score(n, k) > p.score(n, best) ? k : best;
        }
        count += p.target(n, i) == P && best == j;
      }
      CHECK(m.count(i, j) == count);
      correct += i == j ? count : 0;
      all += count;
    }
  }
  CHECK(all == 200);
  CHECK(top_k_accuracy(p.view(), 1) == doctest::Approx(100.0 * static_cast<double>(correct) / 200));
}

}  // namespace mld
