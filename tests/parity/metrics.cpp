// metrics/*: published definitions, on scores with and without ties.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "data/formats/coco.h"
#include "models/sdl_head.h"
#include "tests/parity/fixture.h"
#include "train/metrics.h"
#include "train/zero_shot_metrics.h"

namespace mld::parity {
namespace {

// Scores and labels of one case, alive as long as their view.
struct Sample {
  std::vector<float> scores;
  std::vector<Label> targets;
  int64_t classes = 0;

  Predictions view() const { return {scores, targets, classes}; }
};

// `label_of(target)` says what a stored target means.
template <class LabelOf>
Sample sample(Fixture& fixture, const std::string& scores, const std::string& targets,
              LabelOf&& label_of) {
  const Array s = fixture.array(scores), t = fixture.array(targets);
  require<DataError>(s.shape.size() == 2 && s.shape == t.shape, "{}: {} and {} differ in shape",
                     fixture.name(), scores, targets);
  Sample out;
  out.classes = s.shape[1];
  out.scores.assign(s.values.begin(), s.values.end());
  for (const double target : t.values) {
    out.targets.push_back(label_of(target));
  }
  return out;
}

Label binary(double target) { return target > 0 ? Label::present : Label::absent; }
// -1 absent, 0 difficult, 1 present
Label ternary(double target) {
  return target > 0 ? Label::present : target < 0 ? Label::absent : Label::unknown;
}

Array vector_of(std::vector<double> values) {
  const auto size = static_cast<int64_t>(values.size());
  return {{size}, std::move(values)};
}

// The config of one case; null if the manifest has none.
const Json& case_config(const Fixture& fixture, const std::string& name) {
  static const Json kNone;
  for (const Json* config : elements(fixture.config())) {
    if (has(*config, "case") && std::to_string(integer(*config, "case")) == name) {
      return *config;
    }
  }
  return kNone;
}

void run_map(Fixture& fixture) {
  for (const std::string& name : fixture.cases("map/")) {
    const std::string at = "map/" + name + "/";
    const Sample s = sample(fixture, at + "scores", at + "targets", binary);
    const MeanAp ours = official_map(s.view());
    fixture.compare(at + "ap_stable", vector_of(ours.ap));
    if (flag(case_config(fixture, name), "stable_equals_official", true)) {
      fixture.compare(at + "ap_official", vector_of(ours.ap));
      fixture.compare(at + "map_official", ours.percent);
    } else {
      constexpr const char* kWhy = "ties: the value depends on an unstable sort";
      fixture.ignore(at + "ap_official", kWhy);
      fixture.ignore(at + "map_official", kWhy);
    }
  }
}

// OP, OR, OF1, CP, CR, CF1 as the fractions that ML-GCN's code returns; ours are percentages.
Array mlgcn_order(const PrecisionRecall& r) {
  Array out = vector_of({r.overall_precision, r.overall_recall, r.overall_f1, r.class_precision,
                         r.class_recall, r.class_f1});
  for (double& value : out.values) {
    value /= 100;
  }
  return out;
}

void run_prf(Fixture& fixture) {
  for (const std::string& name : fixture.cases()) {
    const std::string at = name + "/";
    const Sample binary_case = sample(fixture, at + "scores", at + "targets", binary);
    const PrecisionRecall ours = official_precision_recall(
        binary_case.view(), number(case_config(fixture, name), "threshold"));
    fixture.compare(at + "validate",
                    vector_of({ours.class_precision, ours.class_recall, ours.class_f1,
                               ours.overall_precision, ours.overall_recall, ours.overall_f1}));
    const Sample difficult = sample(fixture, at + "logits", at + "targets3", ternary);
    fixture.compare(at + "mlgcn_ap_difficult_0",
                    vector_of(mlgcn_map(difficult.view(), Unknown::as_absent).ap));
    fixture.compare(at + "mlgcn_ap_difficult_1",
                    vector_of(mlgcn_map(difficult.view(), Unknown::skip).ap));
    const auto prf = [&](int top) {
      return mlgcn_order(mlgcn_precision_recall(difficult.view(), 0, top, Unknown::as_absent));
    };
    fixture.compare(at + "mlgcn_overall", prf(0));
    for (const std::string& key : fixture.cases(at)) {
      if (key.starts_with("mlgcn_top")) {
        fixture.compare(at + key, prf(std::stoi(key.substr(9))));
      }
    }
  }
}

void run_voc(Fixture& fixture) {
  for (const std::string& name : fixture.cases()) {
    const std::string at = name + "/";
    const Sample all = sample(fixture, at + "scores", at + "targets", binary);
    Sample without = all;
    const Array difficult = fixture.array(at + "difficult");
    for (size_t i = 0; i < without.targets.size(); ++i) {
      if (difficult.values.at(i) != 0) {
        without.targets[i] = Label::unknown;
      }
    }
    fixture.compare(at + "ap_all_points", vector_of(voc_map_all_points(all.view()).ap));
    fixture.compare(at + "ap_11_points", vector_of(voc_map_11_points(all.view()).ap));
    fixture.compare(at + "ap_11_points_no_difficult",
                    vector_of(voc_map_11_points(without.view(), Unknown::skip).ap));
    fixture.compare(at + "ap_official", vector_of(official_map(all.view()).ap));
  }
}

void run_topk(Fixture& fixture) {
  const Array logits = fixture.array("logits"), targets = fixture.array("targets");
  Sample s;
  s.classes = logits.shape.at(1);
  s.scores.assign(logits.values.begin(), logits.values.end());
  s.targets.assign(s.scores.size(), Label::absent);
  for (size_t i = 0; i < targets.values.size(); ++i) {
    s.targets.at(i * static_cast<size_t>(s.classes) + static_cast<size_t>(targets.values[i])) =
        Label::present;
  }
  fixture.compare("top1_top5",
                  vector_of({top_k_accuracy(s.view(), 1), top_k_accuracy(s.view(), 5)}));
}

// prf_top<K>: pooled precision, recall, F1 at K; pictures without positives count too.
void run_f1_clipdecoder(Fixture& fixture) {
  for (const std::string& name : fixture.cases()) {
    const std::string at = name + "/";
    const Sample s = sample(fixture, at + "scores", at + "targets", binary);
    for (const std::string& key : fixture.cases(at)) {
      if (key.starts_with("prf_top")) {
        const F1AtK ours = f1k(s.view(), std::stoi(key.substr(7)), true);
        fixture.compare(at + key, vector_of({ours.precision, ours.recall, ours.f1}));
      }
    }
  }
}

// The labels by descending score, the first of equal ones first.   [N, K]
Array ranking_of(const Predictions& p) {
  Array ranking{{p.samples(), p.classes}, {}};
  for (int64_t n = 0; n < p.samples(); ++n) {
    const auto scores = p.scores.subspan(static_cast<size_t>(n * p.classes),
                                         static_cast<size_t>(p.classes));
    std::vector<size_t> order(scores.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    ranking.values.insert(ranking.values.end(), order.begin(), order.end());
  }
  return ranking;
}

// Principal vectors x [N, D R] against words [K, D]; only the relevant labels, and only samples
// that have one of them, count.
void run_sdl_retrieval(Fixture& fixture) {
  for (const std::string& name : fixture.cases()) {
    const std::string at = name + "/";
    const Tensor words = to_tensor(fixture.array(at + "words"));
    const Var x(to_tensor(fixture.array(at + "x")));
    const Tensor s = sdl_scores(principal_vectors(x, words.shape()[1]), words).value;
    Scores all{.scores = s.to_vector(), .classes = s.shape()[1]};
    for (const double target : fixture.array(at + "targets").values) {
      all.targets.push_back(binary(target));
    }
    std::vector<bool> relevant(static_cast<size_t>(all.classes));
    for (const double k : fixture.array(at + "relevant").values) {
      relevant.at(static_cast<size_t>(k)) = true;
    }
    Scores unfiltered = all;
    std::ranges::fill(unfiltered.targets, Label::present);  // the ranking is of all samples
    const Scores ranked = scores_of(unfiltered.predictions(), relevant);
    fixture.compare(at + "ranking", ranking_of(ranked.predictions()));
    const Scores part = scores_of(all.predictions(), relevant);
    for (const int k : {3, 5}) {
      const F1AtK ours = f1k(part.predictions(), k);
      fixture.compare(at + "prf_top" + std::to_string(k),
                      vector_of({ours.precision, ours.recall, ours.f1}));
    }
    fixture.compare(at + "map", official_map(part.predictions()).percent);
  }
}

// The companion file's annotations as targets per object size, and their maximum. The published
// loader has a fixed number of columns; those beyond the file's categories are zero.
void run_coco_targets(Fixture& fixture) {
  const CocoSizeTargets ours =
      coco_size_targets(read_coco(fixture.dir() / text(fixture.entry(), "companion")));
  const auto N = static_cast<int64_t>(ours.image_ids.size());
  fixture.compare("image_ids",
                  vector_of({ours.image_ids.begin(), ours.image_ids.end()}));
  const int64_t columns = fixture.array("targets").shape.back();
  Array targets{{N, 3, columns}, {}}, labels{{N, columns}, {}};
  for (int64_t n = 0; n < N; ++n) {
    std::vector<double> any(static_cast<size_t>(columns), 0);
    for (int64_t row = 0; row < 3; ++row) {
      for (int64_t k = 0; k < columns; ++k) {
        const bool set = k < ours.classes &&
                         ours.targets[static_cast<size_t>((n * 3 + row) * ours.classes + k)] != 0;
        targets.values.push_back(set);
        any[static_cast<size_t>(k)] += set;
      }
    }
    for (const double count : any) {
      labels.values.push_back(count > 0);
    }
  }
  fixture.compare("targets", targets);
  fixture.compare("labels", labels);
}

}  // namespace

const std::vector<Kind>& metric_kinds() {
  static const std::vector<Kind> kinds{{"metrics/map_official", run_map},
                                       {"metrics/prf", run_prf},
                                       {"metrics/voc_ap", run_voc},
                                       {"metrics/topk", run_topk},
                                       {"metrics/f1_clipdecoder", run_f1_clipdecoder},
                                       {"metrics/sdl_retrieval", run_sdl_retrieval},
                                       {"metrics/coco_targets", run_coco_targets}};
  return kinds;
}

}  // namespace mld::parity
