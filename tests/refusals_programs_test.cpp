// What training refuses, `mltrain check` refuses in the same words, and both before any work.
#include <algorithm>

#include "tests/program.h"
#include "tests/tiny_data.h"
#include "train/checkpoint.h"

namespace mld::test {
namespace {

struct Refusal {
  std::vector<std::string> keys;
  int code;
  std::string message;
};

// A folder of pictures in data/, and a config for them; returns the config's path.
std::string write_tiny_config(const TemporaryFolder& folder) {
  write_tiny_folder(folder, "data");
  folder.write("tiny.toml", R"(threads = 2
[data]
root = "data"
image_size = 32
[model]
backbone = "resnet18"
embed_dim = 16
[train]
epochs = 1
batch_size = 3
)");
  return (folder.path() / "tiny.toml").string();
}

}  // namespace

TEST_CASE("check and train refuse the same, at once") {
  const TemporaryFolder folder;
  const std::string config = write_tiny_config(folder);
  folder.write("lfs.safetensors", "version https://git-lfs.github.com/spec/v1\nsize 1\n");
  const std::string other = trained_run().string();
  const std::string out = (folder.path() / "run").string();
  const std::vector<Refusal> refusals = {
      {{"train.batch_size=56"}, 2, "6 pictures do not fill one batch of 56"},
      {{"train.batch_size=7", "optim.grad_accum_steps=2"}, 2, "cannot be split into"},
      {{"augment.crop_scale=[0.9, 0.5]"}, 2, "augment.crop_scale"},
      {{"threads=-1"}, 2, "threads"},
      {{"loss.class_weights=[1, 2, 3]"}, 2,
       "loss.class_weights: 3 numbers, but the data has 2 classes"},
      {{"device=cuda:99"}, 1, "cuda:99"},
      {{"data.root=gone"}, 3, "gone: no such folder (data.root)"},
      {{"data.train=nothing"}, 3, "nothing"},
      {{"model.init=gone.safetensors"}, 3, "gone.safetensors"},
      {{"model.init=" + (folder.path() / "lfs.safetensors").string()}, 3, "is a Git LFS pointer"},
      {{"model.init=" + other}, 3, "the checkpoint has 36 classes, the data 2"},
      {{"model.init=" + other, "model.init_policy=backbone", "model.backbone=resnet34"}, 3,
       "do not fit the model"},
  };
  for (const Refusal& refusal : refusals) {
    CAPTURE(refusal.message);
    std::vector<std::string> keys = {config};
    keys.insert(keys.end(), refusal.keys.begin(), refusal.keys.end());
    std::vector<std::string> check = keys, train = keys;
    check.insert(check.begin(), "check");
    train.insert(train.end(), {"--out", out});
    const Program checked("mltrain", check, folder);
    CHECK(checked.wait() == refusal.code);
    CHECK(checked.out().empty());  // before it looked at the pictures
    const std::string words = checked.err();
    CHECK(contains(words, refusal.message));
    const Program trained("mltrain", train, folder);
    CHECK(trained.wait() == refusal.code);
    CHECK(trained.err() == words);
    CHECK_FALSE(fs::exists(out));
  }
}

TEST_CASE("check and train refuse pictures whose labels do not fit the task") {
  const TemporaryFolder folder;
  const std::string config = write_tiny_config(folder);
  write_tiny_csv(folder, "list");
  folder.write("list/data.csv", read_file(folder.path() / "list/data.csv") +
                                    "train_0.ppm,\"['a', 'b']\",val\n");
  for (const char* command : {"check", "train"}) {
    std::vector<std::string> arguments = {config, "data.root=" + (folder.path() / "list").string(),
                                          "task=single-label", "loss.name=ce"};
    if (std::string(command) == "check") {
      arguments.insert(arguments.begin(), command);
    }
    const Program program("mltrain", arguments, folder, 0, folder.path());
    CHECK(program.wait() == 3);
    CHECK(contains(program.err(), "needs exactly one a picture"));
    CHECK(program.out().empty());
  }
  CHECK_FALSE(fs::exists(folder.path() / "runs"));
}

TEST_CASE("check takes a folder, a config of the wrong kind is named") {
  const TemporaryFolder folder;
  write_tiny_folder(folder, "data");
  const std::vector<std::string> small = {"model.backbone=resnet18", "data.image_size=32",
                                          "train.batch_size=3", "model.embed_dim=16", "threads=2"};
  std::vector<std::string> arguments = {"check", "data"};
  arguments.insert(arguments.end(), small.begin(), small.end());
  const Program checked("mltrain", arguments, folder, 0, folder.path());
  CHECK(checked.wait() == 0);
  CHECK(contains(checked.out(), "train: 6 pictures"));
  CHECK(contains(checked.out(), "disk: the run's files take up to "));
  const std::string best = (trained_run() / "weights/best.safetensors").string();
  const auto refused = [&](const std::string& config) {
    const Program program("mltrain", {config}, folder, 0, folder.path());
    CHECK(program.wait() == 2);
    return program.err();
  };
  CHECK(contains(refused(best), "is a safetensors file (weights); expected a config (TOML)"));
  CHECK(contains(refused("data/train/a/../../"), "mltrain check FOLDER"));
  folder.write("page.toml", "<!DOCTYPE html><html>");
  CHECK(contains(refused("page.toml"), "is a web page (HTML)"));
}

TEST_CASE("scores that are not finite end predict and eval with exit code 4") {
  const TemporaryFolder folder;
  const fs::path best = trained_run() / "weights/best.safetensors";
  Checkpoint checkpoint = load_checkpoint(best);
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (name == kTinyDecoder + ".duplicate_pooling") {  // finite, but its products overflow
      std::fill_n(tensor.data<float>(), tensor.numel(), 3e38f);
    }
  }
  for (const char* key : {"format", "format_version", "crc32c", "metadata_crc32c"}) {
    checkpoint.metadata.erase(key);
  }
  const std::string huge = (folder.path() / "huge.safetensors").string();
  save_checkpoint(huge, checkpoint);
  folder.write_picture("a.ppm", 90);
  for (const char* form : {"--json", "--csv", "--top-k=1"}) {
    const Program predict("mlinfer", {"predict", huge, "a.ppm", form}, folder, 0, folder.path());
    CHECK(predict.wait() == 4);
    CHECK(contains(predict.err(), "a.ppm: the model's output for class "));
    CHECK(predict.out().find("nan") == std::string::npos);
  }
  const Program eval("mlinfer", {"eval", huge, "data.val_size=8", "--json"}, folder);
  CHECK(eval.wait() == 4);
  CHECK(contains(eval.err(), "picture 1 of the split: the model's output for class "));
  CHECK(eval.out().empty());
}

}  // namespace mld::test
