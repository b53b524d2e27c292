// Every recipe of configs/ on a tiny data set of its task: two updates, a validation, a clean end.
#include "app/config_file.h"
#include "tests/paths.h"
#include "tests/program.h"
#include "tests/tiny_data.h"
#include "tests/tiny_vocabulary.h"

namespace mld::test {

TEST_CASE("each recipe starts, trains two steps and ends") {
  const TemporaryFolder folder;
  write_tiny_folder(folder, "pictures");
  int count = 0;
  for (const auto& file : fs::directory_iterator(fs::path(source_dir()) / "configs")) {
    CAPTURE(file.path());
    const Config recipe = load_config(file.path()).config;
    const fs::path out = folder.path() / "run";
    std::vector<std::string> arguments = {
        file.path(), "data.train=", "data.val=", "data.test=", "data.image_size=64",
        "data.val_size=8", "model.init=", "model.init_policy=strict", "train.batch_size=2",
        "optim.grad_accum_steps=1", "train.epochs=1", "schedule.warmup_epochs=0",
        "schedule.cooldown_epochs=0", "threads=2", "data.workers=1", "--device", "cpu",
        "data.train_size=4", "--out", out.string(), "--quiet"};
    if (recipe.task == Task::single_label) {
      arguments.insert(arguments.end(), {"data.format=folder", "data.root=" +
                                         (folder.path() / "pictures").string()});
    } else {
      arguments.insert(arguments.end(), {"data.format=shapes", "data.root=", "data.unseen=",
                                         "data.seen=", "data.vectors="});
    }
    if (!recipe.captions.vocabulary.empty()) {
      folder.write("bpe.txt", vocabulary_text({}));
      arguments.push_back("clip.vocabulary=" + (folder.path() / "bpe.txt").string());
    }
    const Program program("mltrain", arguments, folder);
    const int code = program.wait();
    INFO(program.err());
    CHECK(code == 0);
    CHECK(fs::exists(out / "weights/best.safetensors"));
    CHECK(contains(read_file(out / "log.jsonl"), R"("event": "epoch", "step": 2,)"));
    fs::remove_all(out);  // the largest are gigabytes
    ++count;
  }
  CHECK(count >= 22);
}

}  // namespace mld::test
