// What the report reads of a run folder, whole, partial or damaged.
#include <cmath>

#include <doctest/doctest.h>

#include "app/report/kept_evaluation.h"
#include "app/report/run_history.h"
#include "tests/data_files.h"
#include "train/evaluate.h"
#include "train/metric_definitions.h"

namespace {

using namespace mld;
using mld::test::TemporaryFolder;

const std::string kHead = "epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds";

}  // namespace

TEST_CASE("results.csv and log.jsonl become a history") {
  const TemporaryFolder folder;
  folder.write("results.csv", kHead + ",mAP_ZSL\n1,10,2.5,0.001,mAP,,,-1,3.5,\n"
                                      "2,20,1.5,0.002,mAP,38.5,40,40,4,12.5\n");
  folder.write("log.jsonl",
               "{\"event\": \"start\", \"step\": 0, \"time\": \"2024-05-01T12:00:00Z\"}\n"
               "{\"event\": \"step\", \"step\": 10, \"loss\": null, \"lr\": 0.001}\n"
               "{\"event\": \"start\", \"step\": 10}\n"
               "{\"event\": \"step\", \"step\": 20, \"loss\": 1.5, \"lr\": 0.002, "
               "\"gradient_norm\": 7, \"images_per_second\": 99.5}\n"
               "{\"event\": \"warning\", \"step\": 20, \"text\": \"hm\", \"time\": \"last\"}\n");
  const RunHistory history = read_history({folder.path()});
  CHECK(history.problems.empty());
  REQUIRE(history.epochs.size() == 2);
  CHECK(history.metric == "mAP");
  CHECK_FALSE(history.epochs[0].raw.has_value());
  CHECK_FALSE(history.epochs[0].best.has_value());  // -1: none yet
  CHECK(history.epochs[0].zero_shot.empty());
  CHECK(history.epochs[1].average == 40);
  CHECK(history.epochs[1].zero_shot.at("mAP_ZSL") == 12.5);
  CHECK(history.seconds() == 7.5);
  CHECK(history.starts == std::vector<int64_t>{0, 10});
  REQUIRE(history.steps.size() == 2);
  CHECK(std::isnan(history.steps[0].loss));
  CHECK(std::isnan(history.steps[0].images_per_second));
  CHECK(history.steps[1].gradient_norm == 7);
  REQUIRE(history.notes.size() == 1);
  CHECK(history.notes[0].warning);
  CHECK(history.last_time == "last");
}

TEST_CASE("damaged and partial files: what can be read, and what could not") {
  const TemporaryFolder folder;
  CHECK(read_history({folder.path()}).problems.size() == 2);  // neither file is there
  folder.write("results.csv", kHead + "\n1,10,2.5,0.001,mAP,1,2,2,3\nx,y\n"
                                      "\xff\xfe,1,1,1,1,1,1,1,1\n2,20,1.5,0.0");
  folder.write("log.jsonl", "not JSON\n[1]\n{\"event\": 3, \"step\": \"a\"}\n"
                            "{\"event\": \"step\"}\n{\"event\": \"step\", \"step\": 1e300}\n"
                            "{\"event\": \"st");
  const RunHistory history = read_history({folder.path()});
  CHECK(history.epochs.size() == 1);
  CHECK(history.steps.size() == 2);
  CHECK(history.problems ==
        std::vector<std::string>{
            "results.csv:3: not a complete row", "results.csv:4: not a complete row",
            "results.csv:5: not a complete row", "log.jsonl:1: not a JSON object",
            "log.jsonl:2: not a JSON object", "log.jsonl:6: not a JSON object"});
  folder.write("results.csv", "");
  CHECK(read_history({folder.path()}).epochs.empty());
  folder.write("results.csv", "epoch\n1\n\"unfinished");
  CHECK_FALSE(read_history({folder.path()}).problems.empty());
}

TEST_CASE("val/metrics.json is read as it was written") {
  Evaluation evaluation;
  evaluation.samples = 12;
  evaluation.present.percent = 40;
  evaluation.classes = {{.name = "a\"<b>", .positives = 3, .ap = 0.5, .precision = 0.25}};
  evaluation.fitted = AtThresholds{.classes = {{.threshold = 0.3, .precision = 0.5}}};
  evaluation.seen = {false};
  const TemporaryFolder folder;
  CHECK_FALSE(read_kept_evaluation({folder.path()}).has_value());
  folder.write("val/metrics.json", evaluation_json(evaluation));
  const std::optional<KeptEvaluation> kept = read_kept_evaluation({folder.path()});
  REQUIRE(kept.has_value());
  CHECK(kept->samples == 12);
  CHECK(kept->metric("mAP") == 40);
  CHECK_FALSE(kept->metric("samples").has_value());
  REQUIRE(kept->classes.size() == 1);
  CHECK(kept->classes[0].name == "a\"<b>");
  CHECK(kept->classes[0].ap == 50);
  CHECK(kept->classes[0].precision == 50);  // at the threshold
  CHECK(kept->classes[0].threshold == 0.3);
  CHECK_FALSE(kept->classes[0].seen);
  const auto meanings = metric_definitions();
  for (const auto& [name, value] : kept->metrics) {
    CAPTURE(name);
    CHECK(meanings.contains(name));
  }
  CHECK_FALSE(kept->weights.has_value());
  const ScoredWeights weights{40, "ema"};
  evaluation.classes.push_back({.name = "none"});
  evaluation.fitted->classes.push_back({});
  evaluation.seen.push_back(true);
  folder.write("val/metrics.json", evaluation_json(evaluation, &weights));
  const std::optional<KeptEvaluation> said = read_kept_evaluation({folder.path()});
  CHECK(said->weights == weights);
  CHECK_FALSE(said->metric("step").has_value());
  CHECK_FALSE(said->classes[1].ap.has_value());
  evaluation.classes.pop_back();
  evaluation.fitted.reset();
  folder.write("val/metrics.json", evaluation_json(evaluation));
  CHECK(read_kept_evaluation({folder.path()})->classes[0].precision == 25);
  for (const char* damaged : {"", "[1]", "{\"samples\": 1", "{\"per_class\": [1]}"}) {
    folder.write("val/metrics.json", damaged);
    CHECK_THROWS_AS(read_kept_evaluation({folder.path()}), DataError);
  }
}
