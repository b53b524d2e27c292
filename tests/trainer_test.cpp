// The trainer in this process: what it does when memory runs out, and what it keeps as the best.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "app/config_file.h"
#include "core/error.h"
#include "core/memory.h"
#include "tests/data_files.h"
#include "train/trainer.h"

namespace mld {
namespace {

struct SilentLog : RunLog {
  void open(const RunFolder&, int64_t) override {}
  void message(const std::string&) override {}
  void warning(const std::string&) override {}
  void step(const StepReport&) override {}
  void epoch(const EpochReport&) override {}
};

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

}  // namespace

// Ends the run after some updates, as a kill does: by an exception.
struct Killer : SilentLog {
  struct Killed {};
  int64_t last;

  explicit Killer(int64_t last_) : last(last_) {}
  void step(const StepReport& report) override {
    if (report.step == last) {
      throw Killed();
    }
  }
};

TEST_CASE("the best weights kept in the state are those of best.safetensors, to the byte") {
  const test::TemporaryFolder folder;
  const RunFolder run_folder{folder.path()};
  std::filesystem::create_directories(run_folder.weights());
  std::filesystem::create_directories(run_folder.val());
  LoadedConfig config = small_run();
  config.config.preprocess.image_size = 32;
  config.config.data.train_size = 48;
  config.config.train.batch_size = 8;
  config.config.train.epochs = 2;
  config.config.train.model_ema_decay = 0;   // running statistics move with every batch
  config.config.train.checkpoint_minutes = 0;  // saves after every update
  Killer killer(9);  // in the second epoch; the first one's weights are the best so far
  Trainer first(config, Device{}, killer, Trainer::Start::fresh);
  first.open(run_folder);
  CHECK_THROWS_AS(first.run(), Killer::Killed);
  const std::string best = test::read_file(run_folder.best());
  REQUIRE(best.size() > 1000);
  std::filesystem::remove(run_folder.best());
  SilentLog log;
  Trainer second(config, Device{}, log, Trainer::Start::saved);
  second.open(run_folder);  // writes it again, from the state
  CHECK(test::read_file(run_folder.best()) == best);
}

TEST_CASE("out of memory: the message names a batch size that fits, and it does") {
  SilentLog log;
  MemoryPool& pool = memory_pool(Device{});
  // Trains with so many MiB for gradients, a save and pictures. Returns the error's message.
  const auto run = [&](int64_t batch_size, int64_t parts, size_t mib) -> std::string {
    const test::TemporaryFolder folder;
    const RunFolder run_folder{folder.path()};
    std::filesystem::create_directories(run_folder.weights());
    std::filesystem::create_directories(run_folder.val());
    LoadedConfig config = small_run();
    config.config.train.batch_size = batch_size;
    config.config.optim.grad_accum_steps = parts;
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
  // In four parts, four times the pictures that fit at a time.
  const std::string in_parts = run(256, 4, kRoom / 3);
  CAPTURE(in_parts);
  int64_t fits = 0, advised = 0;
  REQUIRE(std::sscanf(in_parts.substr(in_parts.rfind("image_size; ") + 12).c_str(),
                      "%ld pictures at a time fit: train.batch_size = %ld", &fits, &advised) == 2);
  CHECK(fits >= 1);
  CHECK(advised == 4 * fits);
}

}  // namespace mld
