#include "train/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/parallel.h"
#include "train/ranking.h"

namespace mld {

void check_predictions(const Predictions& p) {
  require(p.classes > 0 && p.scores.size() % static_cast<size_t>(p.classes) == 0 &&
              p.scores.size() == p.targets.size(),
          "metrics: {} scores and {} targets for {} classes", p.scores.size(), p.targets.size(),
          p.classes);
  for (size_t i = 0; i < p.scores.size(); ++i) {
    require<NumericError>(!std::isnan(p.scores[i]),
                          "metrics: the score of sample {}, class {}, is NaN",
                          i / static_cast<size_t>(p.classes), i % static_cast<size_t>(p.classes));
  }
}

void check_probabilities(const Predictions& p) {
  check_predictions(p);
  for (size_t i = 0; i < p.scores.size(); ++i) {
    require(p.scores[i] >= 0 && p.scores[i] <= 1,
            "metrics: the score of sample {}, class {}, is {}, but probabilities are needed",
            i / static_cast<size_t>(p.classes), i % static_cast<size_t>(p.classes), p.scores[i]);
  }
}

namespace {

// The precision at the rank of every positive.
std::vector<double> precisions(RankedSamples ranking) {
  std::vector<double> precision;
  for (size_t i = 0; i < ranking.size(); ++i) {
    if (ranking[i].positive) {
      precision.push_back(static_cast<double>(precision.size() + 1) / static_cast<double>(i + 1));
    }
  }
  return precision;
}

// Mean precision at the positives, 1 / (n + epsilon) of their sum.
double rank_ap(const std::vector<double>& precision, double epsilon = 0) {
  const double sum = std::accumulate(precision.begin(), precision.end(), 0.0);
  return precision.empty() ? 0.0 : sum / (static_cast<double>(precision.size()) + epsilon);
}

// envelope[j]: the largest precision at any rank with at least j + 1 positives found. Precision
// only rises at a positive, so ranks of positives suffice.
std::vector<double> precision_envelope(RankedSamples ranking) {
  std::vector<double> precision = precisions(ranking);
  for (size_t j = precision.size(); j-- > 1;) {
    precision[j - 1] = std::max(precision[j - 1], precision[j]);
  }
  return precision;
}

double voc_ap_11_points(RankedSamples ranking) {
  const std::vector<double> envelope = precision_envelope(ranking);
  double sum = 0;
  for (size_t t = 0; t <= 10 && !envelope.empty(); ++t) {
    // Recall (j + 1) / n >= t / 10 in integers: in floating point 3 of 10 might not reach 0.3.
    const size_t needed = (t * envelope.size() + 9) / 10;
    sum += envelope[std::max<size_t>(needed, 1) - 1];
  }
  return sum / 11.0;
}

double voc_ap_all_points(RankedSamples ranking) { return rank_ap(precision_envelope(ranking)); }

// AP of every class; the mean over all of them or over those with positives.
template <class Ap>
MeanAp mean_ap(const Predictions& p, Unknown unknown, bool only_present, Ap&& ap_of) {
  check_predictions(p);
  const auto classes = static_cast<size_t>(p.classes);
  MeanAp result;
  result.ap.resize(classes);
  result.positives.resize(classes);
  parallel_for(p.classes, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const std::vector<RankedSample> ranking = ranking_of(p, k, unknown);
      result.ap[static_cast<size_t>(k)] = ap_of(ranking);
      result.positives[static_cast<size_t>(k)] = positives_of(ranking);
    }
  });
  result.without_positives =
      std::count(result.positives.begin(), result.positives.end(), int64_t{0});
  const int64_t counted = p.classes - (only_present ? result.without_positives : 0);
  const double sum = std::accumulate(result.ap.begin(), result.ap.end(), 0.0);
  result.percent = counted > 0 ? 100.0 * sum / static_cast<double>(counted) : 0.0;
  return result;
}

}  // namespace

double official_ap(RankedSamples ranking) { return rank_ap(precisions(ranking), 1e-8); }

MeanAp official_map(const Predictions& predictions) {
  return mean_ap(predictions, Unknown::skip, false, official_ap);
}

MeanAp map_present(const Predictions& predictions) {
  return mean_ap(predictions, Unknown::skip, true, official_ap);
}

MeanAp mlgcn_map(const Predictions& predictions, Unknown unknown) {
  return mean_ap(predictions, unknown, true,
                 [](RankedSamples ranking) { return rank_ap(precisions(ranking)); });
}

MeanAp voc_map_11_points(const Predictions& predictions, Unknown unknown) {
  return mean_ap(predictions, unknown, true, voc_ap_11_points);
}

MeanAp voc_map_all_points(const Predictions& predictions, Unknown unknown) {
  return mean_ap(predictions, unknown, true, voc_ap_all_points);
}

namespace {

// Decisions of one class, or of all of them together.
struct Counts {
  double correct = 0, predicted = 0, positives = 0;

  double precision() const { return predicted > 0 ? correct / predicted : 0.0; }
  double recall() const { return positives > 0 ? correct / positives : 0.0; }
};

double harmonic(double a, double b) { return a + b > 0 ? 2 * a * b / (a + b) : 0.0; }

// The picture's `k` classes with the highest scores, highest first; ties: lower index first.
std::vector<size_t> highest(std::span<const float> scores, size_t k) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  k = std::min(k, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
                    [&](size_t a, size_t b) {
                      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                    });
  order.resize(k);
  return order;
}

// Counts per class; decide(scores of a picture) gives its predictions.
template <class Decide>
std::vector<Counts> count_all(const Predictions& p, Unknown unknown, Decide&& decide) {
  check_predictions(p);
  const auto classes = static_cast<size_t>(p.classes);
  std::vector<Counts> counts(classes);
  for (size_t at = 0; at < p.scores.size(); at += classes) {
    const std::vector<bool> predicted = decide(p.scores.subspan(at, classes));
    for (size_t k = 0; k < classes; ++k) {
      const Label target = p.targets[at + k];
      if (target == Label::unknown && unknown == Unknown::skip) {
        continue;
      }
      counts[k].positives += target == Label::present;
      counts[k].predicted += predicted[k];
      counts[k].correct += target == Label::present && predicted[k];
    }
  }
  return counts;
}

std::vector<Counts> count_above(const Predictions& p, double threshold) {
  return count_all(p, Unknown::skip, [threshold](std::span<const float> scores) {
    std::vector<bool> predicted(scores.size());
    std::transform(scores.begin(), scores.end(), predicted.begin(),
                   [threshold](float score) { return static_cast<double>(score) > threshold; });
    return predicted;
  });
}

// All but class_f1, which has two definitions.
PrecisionRecall averages(const std::vector<Counts>& classes) {
  PrecisionRecall result;
  Counts all;
  const double percent = 100.0 / static_cast<double>(classes.size());
  for (const Counts& counts : classes) {
    result.class_precision += percent * counts.precision();
    result.class_recall += percent * counts.recall();
    all.correct += counts.correct;
    all.predicted += counts.predicted;
    all.positives += counts.positives;
  }
  result.overall_precision = 100 * all.precision();
  result.overall_recall = 100 * all.recall();
  result.overall_f1 = harmonic(result.overall_precision, result.overall_recall);
  return result;
}

}  // namespace

PrecisionRecall official_precision_recall(const Predictions& predictions, double threshold) {
  const std::vector<Counts> classes = count_above(predictions, threshold);
  PrecisionRecall result = averages(classes);
  const double percent = 100.0 / static_cast<double>(classes.size());
  for (const Counts& counts : classes) {
    result.class_f1 += percent * harmonic(counts.precision(), counts.recall());
  }
  return result;
}

PrecisionRecall mlgcn_precision_recall(const Predictions& predictions, double threshold, int top,
                                       Unknown unknown) {
  const auto decide = [&](std::span<const float> scores) {
    std::vector<bool> predicted(scores.size());
    const size_t limit = top > 0 ? static_cast<size_t>(top) : scores.size();
    for (const size_t k : highest(scores, limit)) {
      predicted[k] = static_cast<double>(scores[k]) >= threshold;
    }
    return predicted;
  };
  std::vector<Counts> classes = count_all(predictions, unknown, decide);
  for (Counts& counts : classes) {
    counts.predicted = std::max(counts.predicted, 1.0);
  }
  PrecisionRecall result = averages(classes);
  result.class_f1 = harmonic(result.class_precision, result.class_recall);
  return result;
}

F1AtK f1k(const Predictions& predictions, int k, bool keep_empty, Unknown unknown) {
  check_predictions(predictions);
  require(k > 0, "f1k: k must be positive, got {}", k);
  const auto classes = static_cast<size_t>(predictions.classes);
  Counts pooled;
  std::vector<float> known_scores;
  for (size_t at = 0; at < predictions.scores.size(); at += classes) {
    const auto targets = predictions.targets.subspan(at, classes);
    const auto positives = std::count(targets.begin(), targets.end(), Label::present);
    if (positives == 0 && !keep_empty) {
      continue;
    }
    pooled.positives += static_cast<double>(positives);
    auto scores = predictions.scores.subspan(at, classes);
    auto ranked = static_cast<size_t>(k);
    if (unknown == Unknown::skip) {
      known_scores.assign(scores.begin(), scores.end());
      size_t known = 0;
      for (size_t c = 0; c < classes; ++c) {
        const bool skipped = targets[c] == Label::unknown;
        known += !skipped;
        known_scores[c] = skipped ? -std::numeric_limits<float>::infinity() : scores[c];
      }
      ranked = std::min(ranked, known);
      scores = known_scores;
    }
    pooled.predicted += static_cast<double>(ranked);
    for (const size_t c : highest(scores, ranked)) {
      pooled.correct += targets[c] == Label::present;
    }
  }
  F1AtK result = {100 * pooled.precision(), 100 * pooled.recall(), 0};
  result.f1 = harmonic(result.precision, result.recall);
  return result;
}

double top_k_accuracy(const Predictions& predictions, int k) {
  const auto labels =
      std::count(predictions.targets.begin(), predictions.targets.end(), Label::present);
  require(labels == predictions.samples(), "top_k_accuracy: {} labels for {} samples", labels,
          predictions.samples());
  return f1k(predictions, k, true).recall;
}

std::vector<ClassMetrics> class_table(const Predictions& predictions,
                                      std::span<const std::string> names, double threshold) {
  require(static_cast<int64_t>(names.size()) == predictions.classes,
          "class_table: {} names for {} classes", names.size(), predictions.classes);
  const MeanAp map = official_map(predictions);
  const std::vector<Counts> counts = count_above(predictions, threshold);
  std::vector<ClassMetrics> table;
  for (size_t k = 0; k < names.size(); ++k) {
    const double precision = counts[k].precision(), recall = counts[k].recall();
    table.push_back({names[k], map.positives[k], map.ap[k], precision, recall,
                     harmonic(precision, recall)});
  }
  return table;
}

AtThresholds at_thresholds(const Predictions& predictions, std::span<const double> thresholds) {
  require(static_cast<int64_t>(thresholds.size()) == predictions.classes,
          "at_thresholds: {} thresholds for {} classes", thresholds.size(), predictions.classes);
  const auto decide = [&](std::span<const float> scores) {
    std::vector<bool> predicted(scores.size());
    for (size_t k = 0; k < scores.size(); ++k) {
      predicted[k] = static_cast<double>(scores[k]) >= thresholds[k];
    }
    return predicted;
  };
  const std::vector<Counts> counts = count_all(predictions, Unknown::skip, decide);
  AtThresholds result;
  result.micro_f1 = averages(counts).overall_f1;
  for (size_t k = 0; k < counts.size(); ++k) {
    const double precision = counts[k].precision(), recall = counts[k].recall();
    result.classes.push_back({thresholds[k], precision, recall, harmonic(precision, recall)});
    result.macro_f1 += 100 * result.classes[k].f1 / static_cast<double>(counts.size());
  }
  return result;
}

}  // namespace mld
