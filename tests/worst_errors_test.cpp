// The worst errors of classes, and the worst classes: hand-worked cases.
#include <vector>

#include <doctest/doctest.h>

#include "core/parallel.h"
#include "tests/prediction_cases.h"
#include "train/analysis/analysis.h"
#include "train/kept_scores.h"
#include "train/thresholds.h"

namespace mld {
namespace {

using test::A, test::I, test::OwnedPredictions, test::P;

}  // namespace

TEST_CASE("worst errors: beyond the threshold, ties to the lower sample, cut to the number asked") {
  const OwnedPredictions p{
      .scores = {0.9f, 0.5f, 0.9f, 0.4f, 0.4f, 0.2f, 0.99f, 0.7f},
      .targets = {A, A, A, P, P, P, I, P}};
  const auto at = [&](double threshold, int64_t most) {
    return worst_errors(p.ranking(), 0, FoundClasses(p.view(), {{threshold}}, false), most);
  };
  const WorstErrors errors = at(0.5, 2);
  CHECK(errors.all_false_positives == 3);  // 0.5 is at the threshold
  CHECK(errors.false_positives == std::vector<ScoredSample>{{0, 0.9f}, {2, 0.9f}});
  CHECK(errors.all_false_negatives == 3);
  CHECK(errors.false_negatives == std::vector<ScoredSample>{{5, 0.2f}, {3, 0.4f}});
  CHECK(at(kNever, 9).all_false_negatives == 4);
  CHECK(at(kNever, 9).false_positives.empty());
}

TEST_CASE("worst errors of one label: the best class is found, however low its score") {
  const OwnedPredictions p{
      .scores = {0.35f, 0.33f, 0.32f, 0.3f, 0.6f, 0.1f, 0.4f, 0.4f, 0.2f, 0.1f, 0.2f, 0.7f},
      .targets = {P, A, A, P, A, A, A, P, A, A, P, A},
      .classes = 3};
  const Analysis analysis = analyze(p.view(), {}, true);
  const auto of = [&](size_t k) { return analysis.classes[k].worst; };
  CHECK(of(0).false_negatives == std::vector<ScoredSample>{{1, 0.3f}});  // not 0: best, at 0.35
  CHECK(of(0).false_positives == std::vector<ScoredSample>{{2, 0.4f}});  // of equal ones the first
  CHECK(of(1).false_positives == std::vector<ScoredSample>{{1, 0.6f}});
  CHECK(of(1).false_negatives == std::vector<ScoredSample>{{3, 0.2f}, {2, 0.4f}});
  CHECK(of(2).false_positives == std::vector<ScoredSample>{{3, 0.7f}});
  CHECK(of(2).all_false_negatives == 0);
  int64_t wrong = 0;
  for (const ConfusionMatrix::Cell& cell : analysis.matrix->worst(9)) {
    wrong += cell.pictures;
  }
  CHECK(wrong == 3);
}

TEST_CASE("the worst classes: lowest AP first, in a picture, with errors") {
  const std::vector<ClassAp> classes = {{3, 0.5}, {0, 0}, {1, 0.2}, {2, 0.5}, {4, 0.1}};
  std::vector<size_t> asked;
  const auto has_errors = [&](size_t k) {
    asked.push_back(k);
    return k != 4;
  };
  CHECK(worst_classes(classes, 2, has_errors) == std::vector<size_t>{2, 0});
  CHECK(asked == std::vector<size_t>{4, 2, 0});
  CHECK(worst_classes(classes, 9, has_errors) == std::vector<size_t>{2, 0, 3});
}

TEST_CASE("classes are analysed by all threads, but in no more memory than kept scores may take") {
  CHECK(classes_at_once(0) == compute_threads());
  CHECK(classes_at_once(10'000) == compute_threads());
  CHECK(classes_at_once(1'000'000) <= 1);  // 200 MB each, of 256
  CHECK(classes_at_once(1'000'000'000) == 1);
  for (const int64_t samples : {50'000, 150'000, 600'000}) {
    CHECK(classes_at_once(samples) * 200 * samples <= kMostScoreBytes);
  }
}

}  // namespace mld
