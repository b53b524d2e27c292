// A model's scores on a split, and the metrics computed from them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/loader.h"
#include "train/objective.h"
#include "train/scores.h"
#include "train/threshold_curve.h"
#include "train/zero_shot_metrics.h"

namespace mld {

// Runs the model over the split in evaluation mode (batch norms folded) and leaves it in that mode.
// nullopt if `stop`, called before every batch, returns true. Errors: DataError if no picture is
// readable, NumericError for outputs that are not finite.
std::optional<Scores> score_split(Module& model, Objective& objective, Loader& loader,
                                  Device device, const std::function<bool()>& stop);

// Every metric `mlinfer eval` prints.
struct Evaluation {
  int64_t samples = 0, skipped = 0;
  MeanAp official, present, voc_11_points, voc_all_points;
  MeanAp unknown_absent;  // as `present`, but with unknown labels counted as absent
  bool has_unknown = false;  // whether the split has unknown labels (VOC's difficult objects)
  bool partial = false;      // see Scores
  PrecisionRecall mlgcn, validate;  // at 0.5
  bool single_label = false;
  double top1 = 0, top5 = 0;
  bool has_empty = false;  // multi-label: whether pictures without positives are among them
  F1AtK f1_3, f1_5, f1_3_kept, f1_5_kept;  // multi-label; kept: those pictures take part
  std::vector<ClassMetrics> classes;
  std::optional<AtThresholds> fitted;  // if thresholds were given
  std::optional<ZeroShotMetrics> zero_shot;  // if there are unseen classes
  std::vector<bool> seen;                    // [K], if there are unseen classes
  std::vector<ThresholdCurve> curves;        // if asked for
  std::shared_ptr<const Scores> scores;      // in training: of the best so far, if they are kept

  // Errors: UsageError for a name that is none of best_metric_names() for the task.
  double metric(const std::string& name) const;
  std::vector<double> thresholds() const;  // those given
};
// The metrics in percent, by their names in reports.
std::vector<NamedValue> named_metrics(const Evaluation& evaluation);
// What train.best_metric may be for a task, and for any.
std::vector<std::string_view> best_metric_names(Task task);
std::vector<std::string_view> best_metric_names();

// The label space's marks if the task is zero-shot; else none.
std::vector<bool> unseen_marks(Task task, const LabelSpace& space);

// Unknown labels are left out. Only CP to OF1 and F1@k, whose published code has none, count them
// as absent, and not in partial labels, of which nearly all are unknown.
// thresholds: [K], see fit_thresholds(), or none. seen: [K], which classes training showed; empty
// unless the task is zero-shot.
Evaluation evaluate(const Scores& scores, const std::vector<std::string>& class_names,
                    bool single_label, std::span<const double> thresholds = {},
                    const std::vector<bool>& seen = {});

// The table `mlinfer eval` prints, and the same as one JSON object. In the table a class's
// precision, recall and F1 are at its own threshold if there is one, else at 0.5; JSON has both.
std::string evaluation_text(const Evaluation& evaluation);
// `weights`: of what; null: not said.
std::string evaluation_json(const Evaluation& evaluation, const ScoredWeights* weights = nullptr);
// One line per class: class,positives,ap,precision,recall,f1 (at 0.5); if there are thresholds,
// threshold,precision_fitted,recall_fitted,f1_fitted; if there are unseen classes, seen (1 or 0).
std::string per_class_csv(const Evaluation& evaluation);

}  // namespace mld
