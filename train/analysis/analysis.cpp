#include "train/analysis/analysis.h"

#include <algorithm>

#include "core/parallel.h"
#include "train/kept_scores.h"
#include "train/thresholds.h"

namespace mld {

int64_t classes_at_once(int64_t samples) {
  constexpr int64_t kSample = 200;  // measured: ranking, steps and two curves with their places
  return std::clamp<int64_t>(kMostScoreBytes / (kSample * std::max<int64_t>(samples, 1)), 1,
                             compute_threads());
}

// Of class k but for its worst errors.
static ClassAnalysis analyze_class(RankedSamples ranking, const ClassDecisions& at,
                                   const AnalysisSpec& spec) {
  ClassAnalysis result;
  result.positives = positives_of(ranking);
  result.negatives = std::ssize(ranking) - result.positives;
  result.ap = official_ap(ranking);
  result.at = at;
  result.curves = curves_of(ranking, spec.plot);
  result.bins = score_bins(ranking, spec.bins);
  return result;
}

Analysis analyze(const Predictions& p, std::span<const double> thresholds, bool single_label,
                 const AnalysisSpec& spec) {
  check_probabilities(p);
  std::vector<double> at(thresholds.begin(), thresholds.end());
  if (at.empty()) {
    at.assign(static_cast<size_t>(p.classes), kDefaultThreshold);
  }
  const std::vector<ClassDecisions> at_class = at_thresholds(p, at).classes;
  const FoundClasses found(p, at, single_label);
  Analysis result;
  result.classes.resize(at.size());
  std::vector<LabelErrors> errors(at.size());
  const int64_t at_once = classes_at_once(p.samples());
  parallel_for(p.classes, (p.classes + at_once - 1) / at_once, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const auto i = static_cast<size_t>(k);
      const std::vector<RankedSample> ranking = ranking_of(p, k, Unknown::skip);
      result.classes[i] = analyze_class(ranking, at_class[i], spec);
      result.classes[i].worst = worst_errors(ranking, k, found, spec.worst);
      result.classes[i].unknown = p.samples() - std::ssize(ranking);
      if (!single_label) {
        errors[i] = label_errors_of_class(ranking, k, spec.label_errors);
        result.classes[i].label_errors = errors[i].found;
      }
    }
  });
  for (size_t k = 0; k < at.size(); ++k) {  // in order, so that sums do not depend on threads
    add_bins(result.bins, result.classes[k].bins);
    add_errors(result.label_errors, errors[k], spec.label_errors);
  }
  result.micro = micro_curves(p, spec.plot);
  if (single_label) {
    result.label_errors = single_label_errors(p, spec.label_errors);
    result.matrix = confusion_matrix(p);
    result.best_scores = best_score_bins(p, spec.bins);
  } else {
    result.confusions = confusions(p, at, spec.confusions);
  }
  return result;
}

}  // namespace mld
