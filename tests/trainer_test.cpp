// The trainer in this process: what it does when memory runs out.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "core/error.h"
#include "core/memory.h"
#include "tests/data_files.h"
#include "train/config.h"
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

TEST_CASE("out of memory: the message names a batch size that fits, and it does") {
  const test::TemporaryFolder folder;
  const RunFolder run_folder{folder.path()};
  std::filesystem::create_directories(run_folder.weights());
  std::filesystem::create_directories(run_folder.val());
  SilentLog log;
  MemoryPool& pool = memory_pool(Device{});
  // Trains with memory for the gradients, a save and some of the pictures. Returns the error's message.
  const auto run = [&](int64_t batch_size) -> std::string {
    LoadedConfig config = small_run();
    config.config.train.batch_size = batch_size;
    Trainer trainer(config, Device{}, log, Trainer::Start::fresh);
    trainer.open(run_folder);
    pool.trim();
    pool.set_limit(pool.stats().in_use + (size_t{350} << 20));
    std::string message;
    try {
      trainer.run();
    } catch (const OutOfMemory& error) {
      message = error.what();
    }
    pool.set_limit(0);
    return message;
  };
  const std::string message = run(256);
  CAPTURE(message);
  REQUIRE(message.starts_with("step 0: out of memory on the host: "));
  CHECK(message.find(" free; try a smaller") != std::string::npos);
  CHECK(message.ends_with("; the last save is kept"));
  const std::string advice = "train.batch_size = ";
  const size_t at = message.find(advice);
  REQUIRE(at != std::string::npos);
  CHECK(run(std::stol(message.substr(at + advice.size()))).empty());
}

}  // namespace mld
