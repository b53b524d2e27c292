// mlinfer thresholds from outside, and the thresholds that a run stores: who uses them.
#include <rapidjson/document.h>

#include <algorithm>

#include "tests/program.h"
#include "train/checkpoint.h"
#include "train/thresholds.h"

namespace mld::test {
namespace {

// The trained run's best weights with other thresholds, as a file of its own.
std::string with_thresholds(const TemporaryFolder& folder, const std::vector<double>& thresholds,
                            Task task = Task::multi_label) {
  LoadedModel loaded = model_from_checkpoint(trained_run());
  loaded.info.thresholds = thresholds;
  loaded.info.task = task;
  const fs::path path = folder.path() / "own.safetensors";
  save_model(path, state_dict(*loaded.model), loaded.info);
  return path.string();
}

rapidjson::Document json_of(const TemporaryFolder& folder,
                            const std::vector<std::string>& arguments) {
  const Program program("mlinfer", arguments, folder);
  REQUIRE(program.wait() == 0);
  rapidjson::Document document;
  document.Parse(program.out().c_str());
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

}  // namespace

TEST_CASE("a run stores thresholds with its best weights; eval and info use them") {
  const TemporaryFolder folder;
  const CheckpointInfo info = read_checkpoint_info(trained_run());
  REQUIRE(info.thresholds.size() == info.class_names.size());
  CHECK(read_checkpoint_info(last(trained_run())).thresholds.empty());
  const auto fitted = json_of(folder, {"eval", trained_run().string(), "--json"});
  const auto half = json_of(folder, {"eval", with_thresholds(folder, {}), "--json"});
  CHECK(fitted["F1_macro"].GetDouble() > half["CF1_mean"].GetDouble());
  CHECK(fitted["F1@3"].GetDouble() > 0);
  CHECK_FALSE(half.HasMember("F1_macro"));
  CHECK(fitted["mAP"] == half["mAP"]);
  Program described("mlinfer", {"info", trained_run().string()}, folder);
  CHECK(described.wait() == 0);
  CHECK(contains(described.out(), "thresholds  fitted per class, "));
}

TEST_CASE("predict: each class at its own threshold, unless one is given") {
  const TemporaryFolder folder;
  const size_t K = read_checkpoint_info(trained_run()).class_names.size();
  std::vector<double> thresholds(K, kNever);
  thresholds[1] = 0;
  thresholds[K - 1] = 0;
  const std::string own = with_thresholds(folder, thresholds);
  folder.write_picture("a.ppm", 30);
  const std::string picture = (folder.path() / "a.ppm").string();
  const auto above = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"predict", own, picture, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<int64_t> ids;
    const rapidjson::Document predicted = json_of(folder, arguments);  // outlives the loop
    for (const auto& label : predicted["labels"].GetArray()) {
      if (label["above"].GetBool()) {
        ids.push_back(label["id"].GetInt64());
      }
    }
    std::ranges::sort(ids);
    return ids;
  };
  const std::vector<int64_t> both = {1, static_cast<int64_t>(K) - 1};
  CHECK(above({}) == both);
  CHECK(above({"--top-k", "1000"}) == both);
  CHECK(above({"--threshold", "0"}).size() == K);
  CHECK(above({"--threshold", "1"}).empty());
}

TEST_CASE("mlinfer thresholds fits again and keeps the rest of the file") {
  const TemporaryFolder folder;
  const std::string own = with_thresholds(folder, {});
  const Checkpoint before = load_checkpoint(own);
  const auto best_f1 = json_of(folder, {"thresholds", own, "--json"});
  const CheckpointInfo info = read_checkpoint_info(own);
  CHECK(info.thresholds == read_checkpoint_info(trained_run()).thresholds);  // the same split
  Checkpoint after = load_checkpoint(own);
  for (size_t i = 0; i < before.tensors.size(); ++i) {
    CHECK(before.tensors[i].first == after.tensors[i].first);
  }
  after.metadata.erase("thresholds");
  after.metadata["metadata_crc32c"] = before.metadata.at("metadata_crc32c");
  CHECK(after.metadata == before.metadata);
  CHECK(json_of(folder, {"eval", own, "--json"})["F1_macro"] == best_f1["F1_macro"]);

  const Program precise("mlinfer", {"thresholds", own, "--precision", "0.9", "--json"}, folder);
  REQUIRE(precise.wait() == 0);
  CHECK(contains(precise.err(), "thresholds for a precision of 0.9, fitted on val"));
  rapidjson::Document document;
  document.Parse(precise.out().c_str());
  CHECK(read_checkpoint_info(own).thresholds != info.thresholds);
  for (const auto& row : document["per_class"].GetArray()) {
    const double threshold = row["threshold"].GetDouble();
    CHECK((row["positives"].GetInt() == 0 || threshold == kNever ||
           row["precision_fitted"].GetDouble() >= 90));
  }
}

TEST_CASE("errors: mlinfer thresholds") {
  const TemporaryFolder folder;
  const std::string single = with_thresholds(folder, {}, Task::single_label);
  Program refused("mlinfer", {"thresholds", single}, folder);
  CHECK(refused.wait() == 2);
  CHECK(contains(refused.err(), "is a single-label checkpoint: its answer is the best class"));
  CHECK(read_checkpoint_info(single).thresholds.empty());
  Program missing("mlinfer", {"thresholds", "nowhere.safetensors"}, folder);
  CHECK(missing.wait() == 3);
  CHECK(contains(missing.err(), "nowhere.safetensors"));
}

}  // namespace mld::test
