// The definition behind each name: in train.best_metric, in the table and in JSON.
#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/data_files.h"
#include "train/evaluate.h"

namespace mld {
namespace {

constexpr Label P = Label::present, A = Label::absent, U = Label::unknown;

// Seven pictures, four classes, one of them without positives, one label unknown: no two
// definitions agree on them. One score is exactly 0.5.
Scores scores_of(bool single_label) {
  Scores scores;
  scores.classes = 4;
  scores.scores = {0.9f, 0.2f, 0.6f, 0.1f, 0.8f, 0.7f, 0.3f, 0.2f, 0.4f, 0.9f, 0.7f,
                   0.1f, 0.6f, 0.5f, 0.2f, 0.1f, 0.3f, 0.8f, 0.9f, 0.3f, 0.2f, 0.1f,
                   0.4f, 0.7f, 0.7f, 0.6f, 0.1f, 0.2f};
  scores.targets = single_label
                       ? std::vector<Label>{P, A, A, A, A, P, A, A, A, A, P, A, A, P,
                                            A, A, A, A, P, A, A, A, P, A, P, A, A, A}
                       : std::vector<Label>{P, A, P, A, A, P, A, A, U, A, P, A, P, P,
                                            A, A, A, A, P, A, P, A, A, A, A, P, A, A};
  for (int64_t n = 0; n < 7; ++n) {
    scores.indices.push_back(n);
  }
  return scores;
}

const std::vector<double> kFitted = {0.35, 0.65, 0.3, 2};

Evaluation evaluated(bool single_label, std::span<const double> thresholds = {}) {
  return evaluate(scores_of(single_label), {"a", "b", "c", "d"}, single_label, thresholds);
}

}  // namespace

TEST_CASE("evaluate: every value is of its own definition, in JSON and as best_metric") {
  for (const bool single_label : {false, true}) {
    const Scores scores = scores_of(single_label);
    const Predictions p = scores.predictions();
    const PrecisionRecall mlgcn = mlgcn_precision_recall(p, 0.5, 0, Unknown::as_absent);
    std::map<std::string, double> expected = {
        {"mAP", map_present(p).percent},
        {"mAP_official", official_map(p).percent},
        {"mAP_voc_11_points", voc_map_11_points(p).percent},
        {"mAP_voc_all_points", voc_map_all_points(p).percent},
        {"CP", mlgcn.class_precision},
        {"CR", mlgcn.class_recall},
        {"CF1", mlgcn.class_f1},
        {"CF1_mean", official_precision_recall(p, 0.5).class_f1},
        {"OP", mlgcn.overall_precision},
        {"OR", mlgcn.overall_recall},
        {"OF1", mlgcn.overall_f1}};
    if (single_label) {
      expected["top1"] = 100.0 * 3 / 7;  // by hand: pictures 0, 4 and 6
      expected["top5"] = 100;
    } else {
      expected["mAP_difficult_absent"] = mlgcn_map(p, Unknown::as_absent).percent;
      expected["F1@3"] = f1k(p, 3).f1;
      expected["F1@5"] = f1k(p, 5).f1;
      expected["F1_macro"] = at_thresholds(p, kFitted).macro_f1;
      expected["F1_micro"] = at_thresholds(p, kFitted).micro_f1;
    }
    rapidjson::Document json;
    json.Parse(evaluation_json(evaluated(single_label, kFitted)).c_str());
    REQUIRE_FALSE(json.HasParseError());
    std::map<double, std::string> seen;
    for (const auto& [name, value] : expected) {
      CAPTURE(name);
      REQUIRE(json.HasMember(name.c_str()));
      CHECK(json[name.c_str()].GetDouble() == doctest::Approx(value).epsilon(1e-6));
      if (!single_label) {  // otherwise a mix-up could go unnoticed
        CHECK_MESSAGE(seen.emplace(value, name).second, "as large as " << seen[value]);
      }
    }
    CHECK(json["samples"].GetInt() == 7);
    CHECK(json["classes_without_positives"].GetInt() == 1);
    const Evaluation evaluation = evaluated(single_label);
    for (const char* name : {"mAP", "mAP_official", "CF1", "OF1"}) {
      CAPTURE(name);
      CHECK(evaluation.metric(name) == expected.at(name));
    }
    if (single_label) {
      CHECK(evaluation.metric("top1") == doctest::Approx(expected.at("top1")));
    } else {
      CHECK(test::message_of<UsageError>([&] { evaluation.metric("top1"); }) ==
            "train.best_metric: \"top1\" is not measured for this task");
    }
  }
}

TEST_CASE("evaluate: of partial labels, no value counts what nobody has looked for") {
  Scores scores = scores_of(false);
  for (size_t i = 0; i < scores.targets.size(); ++i) {
    scores.targets[i] = scores.targets[i] == A && i % 3 > 0 ? U : scores.targets[i];
  }
  const auto evaluated_with = [&](bool partial, bool high) {  // high: unknown labels' scores
    Scores changed = scores;
    changed.partial = partial;
    for (size_t i = 0; i < changed.targets.size(); ++i) {
      changed.scores[i] = changed.targets[i] == U ? (high ? 0.95f : 0.05f) : changed.scores[i];
    }
    Evaluation result = evaluate(changed, {"a", "b", "c", "d"}, false, kFitted);
    result.unknown_absent = {};  // the one that counts them as absent
    return evaluation_json(result);
  };
  CHECK(evaluated_with(true, false) == evaluated_with(true, true));
  CHECK(evaluated_with(false, false) != evaluated_with(false, true));
  CHECK(evaluated_with(true, true).find("mAP_unverified_absent") != std::string::npos);
  CHECK(evaluated_with(true, true).find("mAP_difficult_absent") == std::string::npos);
}

TEST_CASE("evaluate: F1 at K also with pictures that show nothing, if there are any") {
  CHECK(evaluation_json(evaluated(false)).find("F1@3_all") == std::string::npos);
  Scores scores = scores_of(false);
  scores.scores.insert(scores.scores.end(), {0.1f, 0.2f, 0.3f, 0.4f});
  scores.targets.insert(scores.targets.end(), {A, A, U, A});
  rapidjson::Document json;
  json.Parse(evaluation_json(evaluate(scores, {"a", "b", "c", "d"}, false)).c_str());
  const Predictions p = scores.predictions();
  CHECK(json["F1@3"].GetDouble() == doctest::Approx(f1k(p, 3).f1).epsilon(1e-6));
  CHECK(json["F1@3_all"].GetDouble() == doctest::Approx(f1k(p, 3, true).f1).epsilon(1e-6));
  CHECK(json["F1@5_all"].GetDouble() == doctest::Approx(f1k(p, 5, true).f1).epsilon(1e-6));
  CHECK(f1k(p, 3).f1 != f1k(p, 3, true).f1);
}

TEST_CASE("evaluate: the table shows what JSON holds") {
  const std::string text = evaluation_text(evaluated(false));
  const Evaluation evaluation = evaluated(false);
  CHECK(text.find(fmt::format("mAP {:6.2f} %", evaluation.present.percent)) != std::string::npos);
  CHECK(text.find(fmt::format("mAP_official {:6.2f} %", evaluation.official.percent)) !=
        std::string::npos);
  CHECK(text.find("1 of 4 classes have no positive") != std::string::npos);
  CHECK(text.find("threshold") == std::string::npos);
  CHECK(text.find("F1_macro") == std::string::npos);
}

TEST_CASE("evaluate: with thresholds, a class's decisions at its own, in text, JSON and CSV") {
  const Evaluation evaluation = evaluated(false, kFitted);
  CHECK(evaluation.thresholds() == kFitted);
  CHECK(evaluated(false).thresholds().empty());
  const ClassDecisions at = evaluation.fitted->classes[1];
  const ClassMetrics half = evaluation.classes[1];
  REQUIRE(at.recall != half.recall);
  const auto row = [&](const char* name, int positives, double ap, const std::string& rest) {
    return fmt::format("\n{:<24} {:>9} {:>7.2f} {}\n", name, positives, 100 * ap, rest);
  };
  const std::string text = evaluation_text(evaluation);
  CHECK(text.find(row("b", 3, half.ap, fmt::format("    0.6500 {:>10.2f} {:>7.2f} {:>7.2f}",
                                                   100 * at.precision, 100 * at.recall,
                                                   100 * at.f1))) != std::string::npos);
  CHECK(text.find("     never       0.00    0.00    0.00\n") != std::string::npos);
  rapidjson::Document json;
  json.Parse(evaluation_json(evaluation).c_str());
  const auto& b = json["per_class"][1];
  CHECK(b["threshold"].GetDouble() == 0.65);
  CHECK(b["recall"].GetDouble() == doctest::Approx(100 * half.recall));
  CHECK(b["precision_fitted"].GetDouble() == doctest::Approx(100 * at.precision));
  CHECK(b["recall_fitted"].GetDouble() == doctest::Approx(100 * at.recall));
  CHECK(b["f1_fitted"].GetDouble() == doctest::Approx(100 * at.f1));
  CHECK(per_class_csv(evaluation).starts_with(
      "class,positives,ap,precision,recall,f1,threshold,precision_fitted,recall_fitted,"
      "f1_fitted\na,"));
  CHECK(per_class_csv(evaluated(false)).starts_with("class,positives,ap,precision,recall,f1\na,"));
}

TEST_CASE("a score at the threshold: positive for ML-GCN, not for the official script") {
  // Two pictures of one class, both positive: one at the threshold, one just below.
  const std::vector<float> scores = {0.5f, 0.499f};
  const std::vector<Label> targets = {P, P};
  const Predictions p{scores, targets, 1};
  CHECK(mlgcn_precision_recall(p, 0.5, 0, Unknown::skip).overall_recall == 50);
  CHECK(official_precision_recall(p, 0.5).overall_recall == 0);
  CHECK(official_precision_recall(p, 0.4995).overall_recall == 50);
  const std::vector<std::string> names = {"a"};
  CHECK(class_table(p, names, 0.5)[0].recall == 0);  // the official rule
  CHECK(class_table(p, names, 0.4995)[0].recall == 0.5);
}

}  // namespace mld
