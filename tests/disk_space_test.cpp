// The disk space a run needs: the prediction against files that runs wrote, and a full disk.
#include <fmt/core.h>

#include "models/registry.h"
#include "tests/program.h"
#include "train/checkpoint.h"
#include "train/disk_space.h"

namespace mld::test {
namespace {

int64_t size_of(const fs::path& file) { return static_cast<int64_t>(fs::file_size(file)); }

// Whether a file's size is what was predicted: never more, at most 2 % less.
bool foreseen(int64_t actual, int64_t predicted) {
  CAPTURE(actual);
  CAPTURE(predicted);
  return actual <= predicted && static_cast<double>(actual) > 0.98 * static_cast<double>(predicted);
}

RunBytes predicted(const Config& config) {
  ModelSpec spec = config.model;
  spec.classes = 36;
  return run_bytes(*make_model(spec), config);
}

}  // namespace

TEST_CASE("the files of a run have the predicted sizes") {
  Config config;
  config.model.backbone = kTinyBackbone;
  config.model.embed_dim = 32;
  const RunBytes bytes = predicted(config);
  CHECK(foreseen(size_of(last(trained_run())), bytes.weights));
  const RunFolder run{trained_run()};
  const int64_t best = load_checkpoint(run.state()).tensors.back().first.starts_with("best.")
                           ? 0
                           : bytes.weights;  // the last epoch's are the best: stored once
  CHECK(foreseen(size_of(run.state()) + best, bytes.state));
  CHECK_EQ(bytes.most(), 2 * (bytes.state + bytes.weights));
  // Another optimiser, no average, the best weights the last ones.
  const TemporaryFolder folder;
  REQUIRE(mld::test::run("mltrain",
                         tiny_run(folder.path() / "run", {"optim.name=sgd", "train.epochs=1",
                                                          "train.model_ema_decay=0"}),
                         folder) == 0);
  config.optim.name = "sgd";
  config.train.model_ema_decay = 0;
  const RunBytes sgd = predicted(config);
  CHECK(foreseen(size_of(folder.path() / "run/weights/last.state.safetensors") + sgd.weights,
                 sgd.state));
}

TEST_CASE("a disk that will not hold the run is noticed before it begins") {
  const TemporaryFolder folder;
  const RunBytes much{.weights = int64_t{1} << 60, .state = int64_t{1} << 60};
  const std::string message = message_of<Error>(
      [&] { require_disk_space(much, RunFolder{folder.path() / "not/yet/there"}); },
      folder.path());
  CHECK(message.starts_with("ROOT/not/yet/there: its disk has "));
  CHECK(contains(message, "choose another place with --out"));
  require_disk_space({.weights = 1, .state = 1}, RunFolder{folder.path()});
  // Existing files count as free space, as they are replaced.
  folder.write("weights/last.state.safetensors", "");
  fs::resize_file(folder.path() / "weights/last.state.safetensors", int64_t{1} << 40);  // a hole
  require_disk_space({.weights = 1, .state = int64_t{1} << 39}, RunFolder{folder.path()});

  // On a real small disk, where this process may mount one.
  const std::string disk = (folder.path() / "disk").string();
  fs::create_directory(disk);
  const auto on_small_disk = [&](const char* size, const std::string& command) {
    return Program("/usr/bin/unshare",
                   {"-rm", "sh", "-c", fmt::format("mount -t tmpfs -o size={} none {} && {}", size,
                                                   disk, command)},
                   folder);
  };
  if (on_small_disk("1m", "true").wait() != 0) {
    MESSAGE("SKIPPED: no file system can be mounted here");
    return;
  }
  std::string command = binary_dir() + "/mltrain";
  for (const std::string& argument : tiny_run(disk + "/run")) {
    command += " '" + argument + "'";
  }
  const Program full = on_small_disk("60m", command + "; code=$?; ls " + disk + "; exit $code");
  CHECK(full.wait() == 1);
  CHECK(contains(full.err(), "the run's files take"));
  CHECK(full.out().empty());  // no folder was made
  CHECK(full.err().find("epoch") == std::string::npos);
}

}  // namespace mld::test
