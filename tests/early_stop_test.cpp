// Early stopping (train.patience): when a run ends, resumed or not; what is saved then.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "app/config_file.h"
#include "core/error.h"
#include "tests/data_files.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

namespace mld::test {
namespace {

// A rate of zero and no averaging: no validation beats the first.
LoadedConfig hopeless_run() {
  return parse_config(R"(
[data]
format = "shapes"
image_size = 32
train_size = 16
val_size = 8
[model]
backbone = "resnet18"
head = "gap"
[optim]
lr = 0
[train]
epochs = 9
batch_size = 8
model_ema_decay = 0
freeze = "backbone"
patience = 2
)", "hopeless.toml");
}

struct Heard : LogSink {
  std::vector<std::string>& notes;
  std::vector<int64_t>& epochs;
  int64_t last;  // the epoch after which the process dies

  Heard(std::vector<std::string>& notes_, std::vector<int64_t>& epochs_, int64_t last_)
      : notes(notes_), epochs(epochs_), last(last_) {}
  void note(const Note& note) override { notes.push_back(note.text); }
  void step(const StepReport& report) override {
    if (report.epoch > last) {
      throw std::string("killed");
    }
  }
  void epoch(const EpochReport& report) override { epochs.push_back(report.epoch); }
};

struct Outcome {
  std::vector<std::string> notes{};
  std::vector<int64_t> epochs{};
  TrainingState state{};
};

Outcome train(const LoadedConfig& config, const RunFolder& folder, int64_t last = 1000) {
  Outcome outcome;
  RunLog log;
  log.add(std::make_unique<Heard>(outcome.notes, outcome.epochs, last));
  fs::create_directories(folder.weights());
  fs::create_directories(folder.val());
  const auto start = fs::exists(folder.state()) ? Trainer::Start::saved : Trainer::Start::fresh;
  Trainer trainer(config, Device{}, log, start);
  trainer.open(folder);
  try {
    const ExitCode code = trainer.run();  // not inside CHECK, which catches
    CHECK(code == ExitCode::ok);
  } catch (const std::string& killed) {
    outcome.notes.push_back(killed);
  }
  const Checkpoint saved = load_checkpoint(folder.state());
  outcome.state = from_metadata(saved.metadata, "state");
  return outcome;
}

}  // namespace

TEST_CASE("patience: validations since the last that was better than all before it") {
  const auto since = [](std::vector<double> history) {
    return validations_without_progress(history);
  };
  CHECK(since({}) == 0);
  CHECK(since({0}) == 0);  // the first beats none
  CHECK(since({5, 6, 7}) == 0);
  CHECK(since({5, 5}) == 1);  // a tie is no progress
  CHECK(since({5, 7, 6, 6.5}) == 2);
  CHECK(since({5, 7, 6, 6.5, 8}) == 0);
}

TEST_CASE("patience: a run without progress ends, killed and resumed at the same epoch") {
  const TemporaryFolder one, two;
  const LoadedConfig config = hopeless_run();
  const Outcome whole = train(config, RunFolder{one.path()});
  CHECK(whole.epochs == std::vector<int64_t>{0, 1, 2});
  CHECK(whole.state.finished);
  CHECK(whole.state.epoch == 3);
  CHECK(whole.state.best.step == 2);  // two updates an epoch
  CHECK(whole.notes.back() == "no better mAP in 2 validations: the run ends (train.patience)");
  const Outcome killed = train(config, RunFolder{two.path()}, 1);
  CHECK(killed.notes.back() == "killed");
  CHECK_FALSE(killed.state.finished);
  const Outcome resumed = train(config, RunFolder{two.path()});
  CHECK(resumed.epochs == std::vector<int64_t>{2});
  CHECK(read_file(RunFolder{two.path()}.state()) == read_file(RunFolder{one.path()}.state()));
  CHECK(train(config, RunFolder{two.path()}).epochs.empty());  // it stays ended
}

TEST_CASE("patience: raised on resume, the run goes on; without it, it never ends early") {
  const TemporaryFolder folder;
  LoadedConfig config = hopeless_run();
  train(config, RunFolder{folder.path()});
  config.config.train.patience = 3;
  CHECK(train(config, RunFolder{folder.path()}).epochs == std::vector<int64_t>{3});
  config.config.train.epochs = 5;
  config.config.train.patience = 0;
  CHECK(train(config, RunFolder{folder.path()}).epochs == std::vector<int64_t>{4});
}

}  // namespace mld::test
