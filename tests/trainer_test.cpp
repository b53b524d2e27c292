// The trainer, in this process: what it does when memory runs out, which weights it keeps as best.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "app/config_file.h"
#include "core/error.h"
#include "core/memory.h"
#include "tests/data_files.h"
#include "train/config.h"
#include "train/thresholds.h"
#include "train/trainer.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

LoadedConfig small_run() {
  return parse_config(R"(
name = "memory"
[data]
format = "shapes"
image_size = 64
train_size = 256
val_size = 4
[model]
backbone = "resnet18"
head = "gap"
[train]
epochs = 1
batch_size = 256
)", "small.toml");
}

// Ends the run after some updates by an exception, in place of a kill.
struct Killer : LogSink {
  struct Killed {};
  int64_t last;

  explicit Killer(int64_t last_) : last(last_) {}
  void step(const StepReport& report) override {
    if (report.step == last) {
      throw Killed();
    }
  }
};

// Makes val/ unwritable during the run.
struct Remover : LogSink {
  fs::path folder;

  explicit Remover(fs::path folder_) : folder(std::move(folder_)) {}
  void step(const StepReport&) override { fs::remove_all(folder); }
};

// Records the events of epochs.
struct Epochs : LogSink {
  std::vector<EpochReport>& reports;

  explicit Epochs(std::vector<EpochReport>& reports_) : reports(reports_) {}
  void epoch(const EpochReport& report) override { reports.push_back(report); }
};

// Records the warnings.
struct Warnings : LogSink {
  std::vector<std::string>& heard;

  explicit Warnings(std::vector<std::string>& heard_) : heard(heard_) {}
  void note(const Note& note) override {
    if (note.kind == Note::Kind::warning) {
      heard.push_back(note.text);
    }
  }
};

RunFolder made(const fs::path& root) {
  const RunFolder folder{root};
  fs::create_directories(folder.weights());
  fs::create_directories(folder.val());
  return folder;
}

}  // namespace

TEST_CASE("the best weights kept in the state are those of best.safetensors, to the byte") {
  const test::TemporaryFolder folder;
  const RunFolder run_folder = made(folder.path());
  LoadedConfig config = small_run();
  config.config.preprocess.image_size = 32;
  config.config.data.train_size = 48;
  config.config.train.batch_size = 8;
  config.config.train.epochs = 2;
  config.config.train.model_ema_decay = 0;   // running statistics move with every batch
  config.config.train.checkpoint_minutes = 0;  // saves after every update
  RunLog log;
  log.add(std::make_unique<Killer>(9));  // in the second epoch; the best are the first one's
  Trainer first(config, Device{}, log, Trainer::Start::fresh);
  first.open(run_folder);
  CHECK_THROWS_AS(first.run(), Killer::Killed);
  const std::string best = test::read_file(run_folder.best());
  REQUIRE(best.size() > 1000);
  fs::remove(run_folder.best());
  RunLog silent;
  Trainer second(config, Device{}, silent, Trainer::Start::saved);
  second.open(run_folder);  // writes it again, from the state
  CHECK(test::read_file(run_folder.best()) == best);
}

namespace {

// Trains a little, then scores all that was saved, without the trainer. Returns whose metric won.
std::string check_saved_metrics(const std::string& metric, double decay) {
  CAPTURE(metric);
  CAPTURE(decay);
  const test::TemporaryFolder folder;
  const RunFolder run_folder = made(folder.path());
  LoadedConfig loaded = small_run();
  Config& config = loaded.config;
  config.preprocess.image_size = 32;
  config.data.train_size = 64;
  config.data.val_size = 40;
  config.train.batch_size = 8;
  config.train.epochs = 2;
  config.train.model_ema_decay = decay;
  config.train.best_metric = metric;
  config.optim.lr = 0.01;
  config.schedule.name = "constant";
  std::vector<EpochReport> reports;
  RunLog log;
  log.add(std::make_unique<Epochs>(reports));
  Trainer trainer(loaded, Device{}, log, Trainer::Start::fresh);
  trainer.open(run_folder);
  REQUIRE(trainer.run() == ExitCode::ok);
  REQUIRE(reports.size() == 2);

  const Splits data = open_splits(data_options(config));
  LoadedModel best = model_from_checkpoint(run_folder.best());
  LoadedModel last = model_from_checkpoint(run_folder.last());
  const auto score = [&](LoadedModel& model) {
    Loader loader(*data.val, loader_options(config, Purpose::evaluation));
    const auto objective = make_objective(config, *model.model);
    const auto scores =
        score_split(*model.model, *objective, loader, Device{}, [] { return false; });
    CHECK((model.info.thresholds.empty() ||
           model.info.thresholds == fit_thresholds(scores->predictions())));
    return evaluate(*scores, data.val->class_names(), false).metric(metric);
  };
  const Checkpoint state = load_checkpoint(run_folder.state());
  const TrainingState saved_state = from_metadata(state.metadata, "state");
  const StateDict& saved = state.tensors;
  LoadedModel average = model_from_checkpoint(run_folder.last());
  load_state(*average.model, part(saved, "ema"));
  const double raw_now = score(last), average_now = score(average);
  CHECK(reports[1].raw->metric(metric) == raw_now);
  CHECK(reports[1].average->metric(metric) == average_now);
  CHECK(last.info.weights == "raw");
  CHECK(last.info.metrics.at(metric) == doctest::Approx(raw_now));
  CHECK(raw_now != average_now);
  // The best of all four, under its own name.
  double highest = -1;
  std::string whose;
  for (const EpochReport& report : reports) {
    for (const auto* evaluation : {&*report.raw, &*report.average}) {
      if (evaluation->metric(metric) > highest) {
        highest = evaluation->metric(metric);
        whose = evaluation == &*report.raw ? "raw" : "ema";
      }
    }
  }
  CHECK(best.info.weights == whose);
  CHECK(best.info.metrics.at(metric) == doctest::Approx(highest));
  CHECK(score(best) == highest);
  CHECK(best.info.thresholds.size() == best.info.class_names.size());
  CHECK(saved_state.thresholds == best.info.thresholds);
  CHECK(reports[1].best == highest);
  return whose;
}

}  // namespace

TEST_CASE("every saved metric is of the weights beside it; the best is called what it is") {
  // Rounding decides which of the two wins, so decays are tried until each has won.
  std::set<std::string> winners;
  std::string metric = "mAP";
  for (const double decay : {0.9, 0.8, 0.3, 0.7, 0.5, 0.95, 0.98}) {
    if (winners.size() < 2) {
      winners.insert(check_saved_metrics(metric, decay));
      metric = "mAP_official";
    }
  }
  CHECK(winners == std::set<std::string>{"ema", "raw"});
}

TEST_CASE("pictures that were replaced since are told of on resume, once") {
  const test::TemporaryFolder folder, run;
  const RunFolder run_folder = made(run.path());
  for (const std::string name : {"train/a/1", "train/a/2", "train/b/3", "train/b/4", "val/a/5"}) {
    folder.write_picture(name + ".ppm", 50);
  }
  LoadedConfig config = small_run();
  config.config.data.format = "folder";
  config.config.data.root = folder.path();
  config.config.preprocess.image_size = 32;
  config.config.data.train_size = 0;
  config.config.train.batch_size = 4;
  const auto warnings = [&] {
    std::vector<std::string> heard;
    RunLog log;
    log.add(std::make_unique<Warnings>(heard));
    Trainer trainer(config, Device{}, log, Trainer::Start::saved);
    trainer.open(run_folder);
    CHECK(trainer.run() == ExitCode::ok);
    ++config.config.train.epochs;
    return heard;
  };
  CHECK(warnings().empty());  // trains
  CHECK(warnings().empty());  // resumes
  folder.write("val/a/5.ppm", "P6\n1 1\n255\nabc");
  const std::vector<std::string> heard = warnings();
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].starts_with("picture files have other sizes than when the run was saved"));
  CHECK(warnings().empty());
}

TEST_CASE("outputs that are not finite end a validation: step, weights, and the save is kept") {
  const test::TemporaryFolder folder;
  const RunFolder run_folder = made(folder.path());
  LoadedConfig loaded = small_run();
  loaded.config.preprocess.image_size = 32;
  loaded.config.data.train_size = 8;  // an epoch is one update
  loaded.config.train.batch_size = 8;
  loaded.config.schedule.name = "constant";
  {
    RunLog log;
    Trainer trainer(loaded, Device{}, log, Trainer::Start::fresh);
    trainer.open(run_folder);
    REQUIRE(trainer.run() == ExitCode::ok);
  }
  loaded.config.train.epochs = 2;
  const Checkpoint good = load_checkpoint(run_folder.state());
  // Trains one more update from a state whose tensors of this name are replaced.
  const auto error_with = [&](const std::string& begin, float value) {
    Checkpoint bad = good;
    for (auto& [name, tensor] : bad.tensors) {
      if (name.starts_with(begin)) {
        tensor = Tensor::full(tensor.shape(), value);
      }
    }
    save_checkpoint(run_folder.state(), bad);
    const std::string saved = test::read_file(run_folder.state());
    RunLog log;
    Trainer trainer(loaded, Device{}, log, Trainer::Start::saved);
    trainer.open(run_folder);
    const std::string message = test::message_of<NumericError>([&] { trainer.run(); });
    CHECK(message.ends_with("; the last save is kept"));
    CHECK(test::read_file(run_folder.state()) == saved);
    return message;
  };
  const std::string output = ": picture 1 of the split: the model's output for class ";
  const std::string averaged = error_with("ema.fc.", 3e38f);
  CHECK(averaged.starts_with("step 2, validation of the averaged weights" + output));
  // Training does not use the running statistics.
  const std::string raw = error_with("model.layer4.1.bn2.running_mean", -3.4e38f);
  CHECK(raw.starts_with("step 2, validation of the raw weights" + output));
}

TEST_CASE("a folder val/ that can no longer be written: a warning, and the run is saved") {
  const test::TemporaryFolder folder;
  const RunFolder run_folder = made(folder.path());
  LoadedConfig loaded = small_run();
  loaded.config.preprocess.image_size = 32;
  loaded.config.data.train_size = 8;
  loaded.config.train.batch_size = 8;
  std::vector<std::string> heard;
  RunLog log;
  log.add(std::make_unique<Warnings>(heard));
  log.add(std::make_unique<Remover>(run_folder.val()));
  Trainer trainer(loaded, Device{}, log, Trainer::Start::fresh);
  trainer.open(run_folder);
  CHECK(trainer.run() == ExitCode::ok);
  CHECK(std::count_if(heard.begin(), heard.end(), [&](const std::string& warning) {
          return warning.starts_with(run_folder.val().string() + "/metrics.json: cannot save: ");
        }) == 1);
  CHECK_NOTHROW(model_from_checkpoint(run_folder.best()));
}

TEST_CASE("out of memory: the message names a batch size that fits, and it does") {
  MemoryPool& pool = memory_pool(Device{});
  // Trains with this many MiB for gradients, a save and pictures. Returns the error's message.
  const auto run = [&](int64_t batch_size, int64_t parts, size_t mib) -> std::string {
    const test::TemporaryFolder folder;
    const RunFolder run_folder = made(folder.path());
    LoadedConfig config = small_run();
    config.config.train.batch_size = batch_size;
    config.config.optim.grad_accum_steps = parts;
    RunLog log;
    Trainer trainer(config, Device{}, log, Trainer::Start::fresh);
    trainer.open(run_folder);
    pool.trim();
    pool.set_limit(pool.stats().in_use + (mib << 20));
    std::string message;
    try {
      trainer.run();
    } catch (const OutOfMemory& error) {
      message = error.what();
    }
    pool.set_limit(0);
    return message;
  };
  constexpr size_t kRoom = 350;
  const std::string message = run(256, 1, kRoom);
  CAPTURE(message);
  REQUIRE(message.starts_with("step 0: out of memory on the host: "));
  CHECK(message.find(" free; try a smaller") != std::string::npos);
  CHECK(message.ends_with("; the last save is kept"));
  const std::string advice = "train.batch_size = ";
  const size_t at = message.find(advice);
  REQUIRE(at != std::string::npos);
  CHECK(run(std::stol(message.substr(at + advice.size())), 1, kRoom).empty());
  // In four parts, each of as many pictures as fit.
  const std::string in_parts = run(256, 4, kRoom / 3);
  CAPTURE(in_parts);
  int64_t fits = 0, advised = 0;
  REQUIRE(std::sscanf(in_parts.substr(in_parts.rfind("image_size; ") + 12).c_str(),
                      "%ld pictures at a time fit: train.batch_size = %ld", &fits, &advised) == 2);
  CHECK(fits >= 1);
  CHECK(advised == 4 * fits);
}

}  // namespace mld
