// The MLflow file store that a run writes, by MLflow's published layout; tools/test_interop reads
// such a store with MLflow's own client.
#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "app/config_file.h"
#include "core/error.h"
#include "tests/data_files.h"
#include "train/event_files.h"
#include "train/log_files.h"
#include "train/mlflow_store.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

Config config_for(const fs::path& store) {
  Config config;
  config.log.mlflow = store.native();
  config.optim.lr = 3e-4;
  config.data.root = "/data/\"coco\"";
  return config;
}

RunFolder run_in(const fs::path& root) {
  fs::create_directories(RunFolder{root}.val());
  return {root};
}

// The only folder below another that has a file of this name.
fs::path only_folder(const fs::path& above, const std::string& file) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(above)) {
    if (fs::exists(entry.path() / file)) {
      found.push_back(entry.path());
    }
  }
  REQUIRE(found.size() == 1);
  return found[0];
}

bool has_line(const fs::path& file, const std::string& line) {
  return std::ranges::count(test::lines_of(file), line) == 1;
}

// The values and steps of a metric, without the times.
std::vector<std::string> history(const fs::path& run, const std::string& metric) {
  std::vector<std::string> found;
  for (const std::string& line : test::lines_of(run / "metrics" / metric)) {
    found.push_back(line.substr(line.find(' ') + 1));
  }
  return found;
}

void train(RunLog& log, std::vector<int64_t> steps) {
  for (const int64_t step : steps) {
    log.step({.batch = 1, .batches = 1, .step = step, .images = 8,
              .loss = static_cast<double>(step) / 4, .lr = 1e-3, .gradient_norm = 4});
    EpochReport report{.epoch = step / 10, .epochs = 3, .step = step, .loss = 2.5, .lr = 1e-3,
                       .metric = "mAP"};
    report.raw.emplace();
    report.raw->f1_3.f1 = 12.5;
    log.epoch(report);
  }
}

}  // namespace

TEST_CASE("a run in an MLflow store: its parameters, metrics, status, and a way to its files") {
  const test::TemporaryFolder folder;
  const RunFolder run = run_in(folder.path() / "my run");
  const fs::path store = folder.path() / "ml runs";
  {
    RunLog log;
    log.open(run, 0, config_for(store));
    train(log, {10, 20});
    const fs::path there = only_folder(only_folder(store, "meta.yaml"), "meta.yaml");
    CHECK(has_line(there / "meta.yaml", "status: 1"));
    log.end(ExitCode::ok);
  }
  const fs::path experiment = only_folder(store, "meta.yaml");
  CHECK(has_line(experiment / "meta.yaml", "name: 'mldecoder'"));
  CHECK(has_line(experiment / "meta.yaml",
                 "experiment_id: '" + experiment.filename().string() + "'"));
  CHECK(experiment.filename().string().size() == 18);
  const fs::path there = only_folder(experiment, "meta.yaml");
  CHECK(test::read_file(run.mlflow_run()) == there.filename().string() + "\n");
  CHECK(has_line(there / "meta.yaml", "run_id: \"" + there.filename().string() + "\""));
  CHECK(has_line(there / "meta.yaml", "run_name: \"my run\""));
  CHECK(has_line(there / "meta.yaml", "status: 3"));
  CHECK(has_line(there / "meta.yaml", "user_id: ''"));
  CHECK_FALSE(has_line(there / "meta.yaml", "end_time: null"));
  std::string uri = "file://" + (there / "artifacts").string();
  uri.replace(uri.find(' '), 1, "%20");
  CHECK(has_line(there / "meta.yaml", "artifact_uri: \"" + uri + "\""));

  CHECK(test::read_file(there / "params/optim.lr") == "0.0003");
  CHECK(test::read_file(there / "params/data.root") == "/data/\"coco\"");
  CHECK(test::read_file(there / "params/train.deterministic") == "true");
  CHECK(test::read_file(there / "tags/mlflow.runName") == "my run");
  CHECK(history(there, "train/loss") == std::vector<std::string>{"2.5 10", "5 20"});
  CHECK(history(there, "val_raw/F1_at_3") == std::vector<std::string>{"12.5 10", "12.5 20"});
  CHECK_FALSE(fs::exists(there / "metrics/val_ema"));
  CHECK(fs::equivalent(there / "artifacts", run.root));
}

TEST_CASE("a resumed run goes on in its MLflow run; a failed one says so") {
  const test::TemporaryFolder folder;
  const RunFolder run = run_in(folder.path() / "run");
  const fs::path store = folder.path() / "store";
  Config config = config_for(store);
  {
    RunLog log;  // ended by an error
    log.open(run, 0, config);
    train(log, {10, 20});
  }
  const fs::path there = only_folder(only_folder(store, "meta.yaml"), "meta.yaml");
  CHECK(has_line(there / "meta.yaml", "status: 4"));
  test::write_file(there / "metrics/train/late", "1700000000000 1 20\n");
  test::write_file(there / "metrics/train/loss",
                   test::read_file(there / "metrics/train/loss") + "17000");
  config.train.epochs = 99;
  fs::remove(there / "artifacts");
  fs::create_directory_symlink(folder.path() / "where the run was", there / "artifacts");
  {
    RunLog log;
    log.open(run, 10, config);
    CHECK(fs::equivalent(there / "artifacts", run.root));
    CHECK(has_line(there / "meta.yaml", "status: 1"));
    CHECK(has_line(there / "meta.yaml", "end_time: null"));
    CHECK(history(there, "train/loss") == std::vector<std::string>{"2.5 10"});
    CHECK_FALSE(fs::exists(there / "metrics/train/late"));  // empty, which MLflow refuses
    train(log, {20});
    log.end(ExitCode::stopped);
  }
  CHECK(only_folder(only_folder(store, "meta.yaml"), "meta.yaml") == there);
  CHECK(history(there, "train/loss") == std::vector<std::string>{"2.5 10", "5 20"});
  CHECK(history(there, "val_raw/mAP").size() == 2);
  CHECK(test::read_file(there / "params/train.epochs") == "99");
  CHECK(has_line(there / "meta.yaml", "status: 5"));
}

TEST_CASE("experiments are found by name, whoever made them") {
  const test::TemporaryFolder folder;
  const std::string id(32, 'a');
  folder.write("7/meta.yaml", "experiment_id: '7'\nname: birds\n");
  folder.write("8/meta.yaml", "experiment_id: '8'\nname: 'on'\n");
  CHECK(MlflowRun(folder.path(), "birds", id, "r").folder() == folder.path() / "7" / id);
  CHECK(MlflowRun(folder.path(), "on", id, "r").folder() == folder.path() / "8" / id);
  CHECK(MlflowRun(folder.path(), "Default", id, "r").folder() == folder.path() / "0" / id);
  const fs::path made = MlflowRun(folder.path(), "bird", id, "r").folder();
  CHECK(made.parent_path().filename().string().size() == 18);
  CHECK(MlflowRun(folder.path(), "bird", id, "r").folder() == made);
  CHECK_FALSE(fs::exists(made.parent_path() / ("meta." + id)));
  for (const char* name : {"", "a b", "a:b", "1a", "a\n", "_a", "a/b"}) {
    CHECK_FALSE(is_experiment_name(name));
  }
  CHECK(is_experiment_name("a_1.b-C"));
}

TEST_CASE("runs that start together on a new store make one experiment") {
  const test::TemporaryFolder folder;
  for (int round = 0; round < 50; ++round) {
    const fs::path store = folder.path() / std::to_string(round);
    std::vector<std::string> problems(4);
    {
      std::vector<std::jthread> starts;
      for (size_t i = 0; i < problems.size(); ++i) {
        starts.emplace_back([&, i] {
          try {
            MlflowRun(store, "birds", std::string(32, static_cast<char>('a' + i)), "r");
          } catch (const std::exception& error) {
            problems[i] = error.what();
          }
        });
      }
    }
    REQUIRE(problems == std::vector<std::string>(problems.size()));
    CHECK(has_line(only_folder(store, "meta.yaml") / "meta.yaml", "name: 'birds'"));
  }
}

TEST_CASE("config section [log] is checked before a run starts") {
  const auto error_of = [](const std::string& keys) {
    return test::message_of<UsageError>(
        [&] { parse_config("[data]\nformat = \"shapes\"\n[log]\n" + keys, "c.toml"); });
  };
  CHECK(error_of("mlflow_experiment = \"a b\"\n")
            .starts_with("c.toml:4:21: log.mlflow_experiment: expected letters, digits, '_'"));
  CHECK(error_of("mlflow = \"http://localhost:5000\"\n")
            .starts_with("c.toml:4:10: log.mlflow: expected a path, not an address with \"://\""));
  CHECK(error_of("tensorboard = \"auto\"\n") == "no error");
  const std::string on = error_of("tensorboard = \"on\"\n");
  if (can_write_event_files()) {
    CHECK(on == "no error");
  } else {
    CHECK(on.find("cannot write event files (it was made with -DMLD_PROTOBUF=OFF); use auto, or") !=
          std::string::npos);
  }
}

TEST_CASE("an MLflow store that cannot be used ends the run at its start; later it does not") {
  const test::TemporaryFolder folder;
  const RunFolder run = run_in(folder.path() / "run");
  folder.write("file", "");
  CHECK(test::message_of<DataError>(
            [&] { file_sinks(run, 0, config_for(folder.path() / "file")); }, folder.path()) ==
        "ROOT/file: cannot be used as an MLflow file store (Not a directory); log.mlflow names it");
  test::write_file(run.mlflow_run(), "../../x\n");
  CHECK(test::message_of<DataError>(
            [&] { file_sinks(run, 0, config_for(folder.path() / "store")); }, folder.path()) ==
        "ROOT/run/mlflow_run: expected the run's id in MLflow, 32 hexadecimal digits; without this "
        "file the run gets a new one");
  fs::remove(run.mlflow_run());
  const fs::path store = folder.path() / "store";
  auto sinks = file_sinks(run, 0, config_for(store));
  const fs::path there = only_folder(only_folder(store, "meta.yaml"), "meta.yaml");
  fs::remove_all(there / "params/seed");
  fs::create_directories(there / "params/seed");  // a parameter that cannot be written
  sinks.clear();
  CHECK(test::message_of<DataError>([&] { file_sinks(run, 0, config_for(store)); })
            .ends_with("params/seed: cannot be written: Is a directory; log.mlflow names the "
                       "store"));
  CHECK(has_line(there / "meta.yaml", "status: 4"));
  fs::remove_all(there / "params/seed");
  sinks = file_sinks(run, 0, config_for(store));
  fs::remove_all(store);
  folder.write("store", "");
  sinks.back()->step({.step = 1, .kept = true});
  CHECK(sinks.back()->problem().find("store/") != std::string::npos);
}

}  // namespace mld
