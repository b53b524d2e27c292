#include "train/analysis/label_errors.h"

#include <limits>
#include <tuple>

#include "train/analysis/confusions.h"
#include "train/analysis/keep_best.h"

namespace mld {
namespace {

constexpr double kNoThreshold = 2;  // a class without labels is nobody's likely class

struct Mean {
  double sum = 0;
  int64_t count = 0;

  void add(double value) {
    sum += value;
    ++count;
  }
  double threshold() const { return count > 0 ? sum / static_cast<double>(count) : kNoThreshold; }
};

void add_error(LabelErrors& errors, const LabelError& error, int64_t most) {
  ++errors.found;
  errors.worst.push_back(error);
  keep_best_of_many(errors.worst, most, worse);
}

}  // namespace

bool worse(const LabelError& a, const LabelError& b) {
  return std::tie(a.margin, a.sample, a.given, a.likely) <
         std::tie(b.margin, b.sample, b.given, b.likely);
}

LabelErrors label_errors_of_class(RankedSamples ranking, int64_t k, int64_t most) {
  Mean present, absent;
  for (const RankedSample& sample : ranking) {
    const double p = sample.score;
    sample.positive ? present.add(p) : absent.add(1 - p);
  }
  LabelErrors errors;
  for (const RankedSample& sample : ranking) {
    const double p = sample.score;
    const bool may_show = p >= present.threshold(), may_lack = 1 - p >= absent.threshold();
    if (!sample.positive && may_show && !(may_lack && 1 - p >= p)) {
      add_error(errors, {sample.sample, LabelError::kNone, k, sample.score, 1 - 2 * p}, most);
    } else if (sample.positive && may_lack && !(may_show && p >= 1 - p)) {
      add_error(errors, {sample.sample, k, LabelError::kNone, sample.score, 2 * p - 1}, most);
    }
  }
  keep_best(errors.worst, most, worse);
  return errors;
}

void add_errors(LabelErrors& all, const LabelErrors& of_class, int64_t most) {
  all.found += of_class.found;
  all.worst.insert(all.worst.end(), of_class.worst.begin(), of_class.worst.end());
  keep_best(all.worst, most, worse);
}

LabelErrors single_label_errors(const Predictions& p, int64_t most) {
  check_probabilities(p);
  const std::vector<int64_t> labels = only_labels(p);
  const auto classes = static_cast<size_t>(p.classes);
  std::vector<Mean> means(classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto k = static_cast<size_t>(labels[i]);
    means[k].add(double{p.scores[i * classes + k]});
  }
  std::vector<double> thresholds(classes);
  std::ranges::transform(means, thresholds.begin(), &Mean::threshold);
  LabelErrors errors;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto scores = p.scores.subspan(i * classes, classes);
    const auto given = static_cast<size_t>(labels[i]);
    size_t likely = classes;  // none
    const auto reaches = [&](size_t k) { return double{scores[k]} >= thresholds[k]; };
    if (reaches(given)) {
      likely = given;
    }
    float other = 0;  // the best score of the other classes
    for (size_t k = 0; k < classes; ++k) {
      other = k != given ? std::max(other, scores[k]) : other;
      if (reaches(k) && (likely == classes || scores[k] > scores[likely])) {
        likely = k;
      }
    }
    if (likely != classes && likely != given) {
      add_error(errors, {static_cast<int64_t>(i), labels[i], static_cast<int64_t>(likely),
                         scores[likely], double{scores[given]} - double{other}}, most);
    }
  }
  keep_best(errors.worst, most, worse);
  return errors;
}

}  // namespace mld
