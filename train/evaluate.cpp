#include "train/evaluate.h"

#include <algorithm>
#include <cmath>

#include "data/json_writer.h"
#include "data/text.h"
#include "train/finite.h"
#include "train/metric_definitions.h"
#include "train/thresholds.h"

namespace mld {

std::optional<Scores> score_split(Module& model, Objective& objective, Loader& loader,
                                  Device device, const std::function<bool()>& stop) {
  set_training(model, false);
  fold_batch_norm(model);
  Scores result;
  result.partial = loader.data().unlisted().label == Label::unknown;
  result.split_size = loader.data().size();
  result.fingerprint = fingerprint(loader.data());
  loader.start(0);
  while (const auto batch = loader.next()) {
    if (stop()) {
      return std::nullopt;
    }
    const Tensor outputs = objective.outputs(batch->images.to(device));
    check_outputs(outputs.to_vector(), outputs.shape()[-1], [&](int64_t row) {
      return fmt::format("picture {} of the split", batch->indices[static_cast<size_t>(row)] + 1);
    });
    const Tensor scores = objective.scores(outputs);
    result.classes = scores.shape()[-1];
    if (result.indices.empty()) {  // no second copy while the vectors grow
      const auto most = static_cast<size_t>(loader.batches_per_epoch() * scores.numel());
      result.scores.reserve(most);
      result.targets.reserve(most);
    }
    const std::vector<float> values = scores.to_vector();
    result.scores.insert(result.scores.end(), values.begin(), values.end());
    const float* targets = batch->targets.data<float>();
    const float* weights = batch->weights.defined() ? batch->weights.data<float>() : nullptr;
    for (int64_t i = 0; i < batch->targets.numel(); ++i) {
      const bool known = weights == nullptr || weights[i] > 0;
      result.targets.push_back(!known            ? Label::unknown
                               : targets[i] == 1 ? Label::present
                                                 : Label::absent);
    }
    result.indices.insert(result.indices.end(), batch->indices.begin(), batch->indices.end());
  }
  require<DataError>(!result.indices.empty(), "evaluation: the split has no readable picture");
  return result;
}

// Whether a picture has no positive.
static bool any_empty(const Predictions& p) {
  for (size_t at = 0; at < p.targets.size(); at += static_cast<size_t>(p.classes)) {
    const auto targets = p.targets.subspan(at, static_cast<size_t>(p.classes));
    if (std::ranges::find(targets, Label::present) == targets.end()) {
      return true;
    }
  }
  return false;
}

Evaluation evaluate(const Scores& scores, const std::vector<std::string>& class_names,
                    bool single_label, std::span<const double> thresholds,
                    const std::vector<bool>& seen) {
  const Predictions predictions = scores.predictions();
  Evaluation result;
  result.samples = predictions.samples();
  result.official = official_map(predictions);
  result.present = map_present(predictions);
  result.voc_11_points = voc_map_11_points(predictions);
  result.voc_all_points = voc_map_all_points(predictions);
  result.has_unknown = std::find(scores.targets.begin(), scores.targets.end(), Label::unknown) !=
                       scores.targets.end();
  result.partial = scores.partial;
  result.unknown_absent = mlgcn_map(predictions, Unknown::as_absent);
  const Unknown unknown = scores.partial ? Unknown::skip : Unknown::as_absent;
  result.mlgcn = mlgcn_precision_recall(predictions, kDefaultThreshold, 0, unknown);
  result.validate = official_precision_recall(predictions, kDefaultThreshold);
  result.classes = class_table(predictions, class_names, kDefaultThreshold);
  result.single_label = single_label;
  if (single_label) {
    result.top1 = top_k_accuracy(predictions, 1);
    result.top5 = top_k_accuracy(predictions, 5);
  } else {
    result.has_empty = any_empty(predictions);
    result.f1_3 = f1k(predictions, 3, false, unknown);
    result.f1_5 = f1k(predictions, 5, false, unknown);
    result.f1_3_kept = f1k(predictions, 3, true, unknown);
    result.f1_5_kept = f1k(predictions, 5, true, unknown);
  }
  if (!thresholds.empty()) {
    result.fitted = at_thresholds(predictions, thresholds);
  }
  if (std::ranges::find(seen, false) != seen.end()) {
    result.zero_shot = zero_shot_metrics(predictions, seen, unknown);
    result.seen = seen;
  }
  return result;
}

std::vector<bool> unseen_marks(Task task, const LabelSpace& space) {
  return task == Task::zero_shot ? space.seen : std::vector<bool>();
}

std::vector<NamedValue> named_metrics(const Evaluation& e) {
  std::vector<NamedValue> metrics = {
      {"mAP", e.present.percent, "over classes with positives", true},
      {"mAP_official", e.official.percent, "the ML-Decoder authors' definition", true},
      {"mAP_voc_11_points", e.voc_11_points.percent, "VOC 2007 devkit"},
      {"mAP_voc_all_points", e.voc_all_points.percent, "VOC 2010 and later"},
      {"CP", e.mlgcn.class_precision, "mean class precision at 0.5"},
      {"CR", e.mlgcn.class_recall, "mean class recall at 0.5"},
      {"CF1", e.mlgcn.class_f1, "harmonic mean of CP and CR", true},
      {"CF1_mean", e.validate.class_f1, "mean of the classes' F1"},
      {"OP", e.mlgcn.overall_precision, "overall precision at 0.5"},
      {"OR", e.mlgcn.overall_recall, "overall recall at 0.5"},
      {"OF1", e.mlgcn.overall_f1, "overall F1 at 0.5", true},
  };
  if (e.partial) {
    metrics.push_back({"mAP_unverified_absent", e.unknown_absent.percent,
                       "mAP with labels that nobody verified counted as absent, not ignored"});
  } else if (e.has_unknown) {
    metrics.push_back({"mAP_difficult_absent", e.unknown_absent.percent,
                       "mAP with difficult objects counted as absent, not ignored"});
  }
  if (e.single_label) {
    metrics.push_back({"top1", e.top1, "best score is the label", true});
    metrics.push_back({"top5", e.top5, "label among the five best"});
  } else {
    metrics.push_back({"F1@3", e.f1_3.f1, "F1 of the 3 best labels a picture"});
    metrics.push_back({"F1@5", e.f1_5.f1, "F1 of the 5 best labels a picture"});
  }
  if (e.has_empty) {
    metrics.push_back({"F1@3_all", e.f1_3_kept.f1, "F1@3 with pictures that show nothing"});
    metrics.push_back({"F1@5_all", e.f1_5_kept.f1, "F1@5 with pictures that show nothing"});
  }
  if (e.fitted) {
    metrics.push_back({"F1_macro", e.fitted->macro_f1, "mean of the classes' F1, each at its "
                                                       "threshold"});
    metrics.push_back({"F1_micro", e.fitted->micro_f1, "overall F1, each class at its threshold"});
  }
  if (e.zero_shot) {
    std::ranges::copy(named_values(*e.zero_shot), std::back_inserter(metrics));
  }
  return metrics;
}

std::map<std::string, std::string> metric_definitions() {
  Evaluation multi_label, single_label;
  multi_label.has_unknown = multi_label.has_empty = true;
  multi_label.fitted.emplace();
  multi_label.zero_shot.emplace();
  single_label.single_label = single_label.partial = true;
  std::map<std::string, std::string> all;
  for (const Evaluation* evaluation : {&multi_label, &single_label}) {
    for (const NamedValue& metric : named_metrics(*evaluation)) {
      all[metric.key] = metric.meaning;
    }
  }
  return all;
}

double Evaluation::metric(const std::string& name) const {
  for (const NamedValue& metric : named_metrics(*this)) {
    if (metric.selects && metric.key == name) {
      return metric.value;
    }
  }
  fail<UsageError>("train.best_metric: \"{}\" is not measured for this task", name);
}

std::vector<double> Evaluation::thresholds() const {
  std::vector<double> values;
  if (fitted) {
    std::ranges::transform(fitted->classes, std::back_inserter(values), &ClassDecisions::threshold);
  }
  return values;
}

std::vector<std::string_view> best_metric_names() {
  std::vector<std::string_view> names = best_metric_names(Task::single_label);
  for (const std::string_view name : best_metric_names(Task::zero_shot)) {
    if (std::ranges::find(names, name) == names.end()) {
      names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string_view> best_metric_names(Task task) {
  Evaluation none;
  none.single_label = task == Task::single_label;
  if (task == Task::zero_shot) {
    none.zero_shot.emplace();
  }
  std::vector<std::string_view> names;
  for (const NamedValue& metric : named_metrics(none)) {
    if (metric.selects) {
      names.push_back(metric.key);
    }
  }
  return names;
}

std::string evaluation_text(const Evaluation& e) {
  std::string text = fmt::format("{}{}\n", counted(e.samples, "picture"),
                                 e.skipped ? fmt::format(", {} unreadable skipped", e.skipped)
                                           : "");
  for (const NamedValue& metric : named_metrics(e)) {
    text += fmt::format("{:>20} {:6.2f} %   {}\n", metric.key, metric.value, metric.meaning);
  }
  if (e.present.without_positives > 0) {
    text += fmt::format("{} of {} classes have no positive: left out of mAP, 0 in mAP_official\n",
                        e.present.without_positives, e.classes.size());
  }
  if (e.zero_shot) {
    text += fmt::format("pictures that show an unseen class (marked *): {}\n",
                        e.zero_shot->unseen.pictures);
  }
  text += fmt::format("\n{:<24} {:>9} {:>7}{} {:>10} {:>7} {:>7}\n", "class", "positives", "AP",
                      e.fitted ? "  threshold" : "", "precision", "recall", "F1");
  for (size_t k = 0; k < e.classes.size(); ++k) {
    const ClassMetrics& c = e.classes[k];
    ClassDecisions at{kDefaultThreshold, c.precision, c.recall, c.f1};
    std::string threshold;
    if (e.fitted) {
      at = e.fitted->classes[k];
      threshold = fmt::format(" {:>10}", threshold_text(at.threshold, 4));
    }
    text += fmt::format("{:<24} {:>9} {:>7.2f}{} {:>10.2f} {:>7.2f} {:>7.2f}\n",
                        printable(c.name) + (e.seen.empty() || e.seen[k] ? "" : " *"),
                        c.positives, 100 * c.ap, threshold,
                        100 * at.precision, 100 * at.recall, 100 * at.f1);
  }
  return text;
}

std::string evaluation_json(const Evaluation& e, const ScoredWeights* weights) {
  JsonWriter json;
  json.object().member("samples", e.samples).member("skipped", e.skipped);
  if (weights != nullptr) {
    json.member("step", weights->step).member("weights", weights->kind);
  }
  json.member("classes_without_positives", e.present.without_positives);
  for (const NamedValue& metric : named_metrics(e)) {
    json.member(metric.key, rounded(metric.value));
  }
  json.key("per_class").array();
  for (size_t k = 0; k < e.classes.size(); ++k) {
    const ClassMetrics& c = e.classes[k];
    json.object().member("name", c.name).member("positives", c.positives);
    json.member("ap", rounded(100 * c.ap)).member("precision", rounded(100 * c.precision));
    json.member("recall", rounded(100 * c.recall)).member("f1", rounded(100 * c.f1));
    if (!e.seen.empty()) {
      json.member("seen", static_cast<bool>(e.seen[k]));
    }
    if (e.fitted) {
      const ClassDecisions& at = e.fitted->classes[k];
      json.member("threshold", at.threshold);
      json.member("precision_fitted", rounded(100 * at.precision));
      json.member("recall_fitted", rounded(100 * at.recall));
      json.member("f1_fitted", rounded(100 * at.f1));
    }
    json.end();
  }
  return json.end().end().text();
}

std::string per_class_csv(const Evaluation& e) {
  std::string text = "class,positives,ap,precision,recall,f1";
  text += e.fitted ? ",threshold,precision_fitted,recall_fitted,f1_fitted" : "";
  text += e.seen.empty() ? "\n" : ",seen\n";
  for (size_t k = 0; k < e.classes.size(); ++k) {
    const ClassMetrics& c = e.classes[k];
    text += fmt::format("{},{},{:.6f},{:.6f},{:.6f},{:.6f}", csv_field(c.name), c.positives,
                        100 * c.ap, 100 * c.precision, 100 * c.recall, 100 * c.f1);
    if (e.fitted) {
      const ClassDecisions& at = e.fitted->classes[k];
      text += fmt::format(",{:.6f},{:.6f},{:.6f},{:.6f}", at.threshold, 100 * at.precision,
                          100 * at.recall, 100 * at.f1);
    }
    text += e.seen.empty() ? "" : e.seen[k] ? ",1" : ",0";
    text += '\n';
  }
  return text;
}

}  // namespace mld
