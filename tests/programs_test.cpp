// The programs from outside: training to files, killing and resuming, exit codes and messages.
#include <algorithm>
#include <chrono>
#include <thread>

#include "data/safetensors.h"
#include "tests/program.h"

namespace mld::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) {
    MESSAGE("not in: ", text);
  }
  return found;
}

// Until a file is there, half a minute at most.
void wait_for(const fs::path& file) {
  for (int i = 0; i < 3000 && !fs::exists(file); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  REQUIRE(fs::exists(file));
}

fs::path last(const fs::path& run) { return run / "weights/last.safetensors"; }

// One trained run that the cases below look at.
const fs::path& trained_run() {
  static const TemporaryFolder folder;
  static const fs::path run_folder = [] {
    REQUIRE(run("mltrain", tiny_run(folder.path() / "run"), folder) == 0);
    return folder.path() / "run";
  }();
  return run_folder;
}

}  // namespace

TEST_CASE("a run writes its folder") {
  for (const char* name : {"config.toml", "results.csv", "log.jsonl", "train.log",
                           "weights/last.safetensors", "weights/best.safetensors",
                           "weights/last.state.safetensors", "val/metrics.json",
                           "val/per_class.csv"}) {
    CAPTURE(name);
    CHECK(fs::exists(trained_run() / name));
  }
  const std::string results = Program::read(trained_run() / "results.csv");
  CHECK(std::count(results.begin(), results.end(), '\n') == 4);  // a header and three epochs
}

TEST_CASE("two runs give the same bytes; another seed does not") {
  const TemporaryFolder folder;
  REQUIRE(run("mltrain", tiny_run(folder.path() / "again", {"name=other"}), folder) == 0);
  CHECK(Program::read(last(trained_run())) == Program::read(last(folder.path() / "again")));
  CHECK(Program::read(trained_run() / "weights/best.safetensors") ==
        Program::read(folder.path() / "again/weights/best.safetensors"));
  REQUIRE(run("mltrain", tiny_run(folder.path() / "seed", {"seed=7"}), folder) == 0);
  CHECK(Program::read(last(trained_run())) != Program::read(last(folder.path() / "seed")));
}

TEST_CASE("killed and resumed, a run gives the same bytes") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  Program first("mltrain", tiny_run(out, {"train.checkpoint_minutes=0"}), folder);
  const fs::path state = out / "weights/last.state.safetensors";
  wait_for(state);  // saved in the middle of the first epoch
  first.signal(SIGKILL);
  CHECK(first.wait() == -SIGKILL);
  fs::remove(last(out));  // a kill between two saves leaves it behind or missing
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  CHECK(Program::read(last(trained_run())) == Program::read(last(out)));
  SUBCASE("a finished run says so") {
    Program again("mltrain", {"--resume", out.string()}, folder);
    CHECK(again.wait() == 0);
    CHECK(contains(again.err(), "this run is finished"));
  }
  SUBCASE("other settings are refused") {
    Program other("mltrain", {"--resume", out.string(), "optim.lr=0.5"}, folder);
    CHECK(other.wait() == 2);
    CHECK(contains(other.err(), "optim.lr"));
  }
}

TEST_CASE("SIGTERM saves and exits with 75, and the run goes on") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  Program stopped("mltrain", tiny_run(out), folder);
  wait_for(out / "results.csv");
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  stopped.signal(SIGTERM);
  const int code = stopped.wait();
  CHECK((code == 75 || code == 0));  // 0 if it was done by then
  CHECK(fs::exists(out / "weights/last.state.safetensors"));
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  CHECK(Program::read(last(trained_run())) == Program::read(last(out)));
}

TEST_CASE("an existing run is not overwritten unless told") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  const std::vector<std::string> quick = {"train.epochs=1", "data.train_size=16"};
  REQUIRE(run("mltrain", tiny_run(out, quick), folder) == 0);
  const std::string before = Program::read(last(out));
  REQUIRE(run("mltrain", tiny_run(out, {"train.epochs=1", "data.train_size=32"}), folder) == 0);
  CHECK(fs::exists(last(out.string() + "-2")));
  CHECK(Program::read(last(out)) == before);
  std::vector<std::string> overwrite = quick;
  overwrite.insert(overwrite.end(), {"--overwrite", "seed=9"});
  REQUIRE(run("mltrain", tiny_run(out, overwrite), folder) == 0);
  CHECK(Program::read(last(out)) != before);
}

TEST_CASE("a full disk stops the run with what was saved intact") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run", state = out / "weights/last.state.safetensors";
  constexpr rlim_t kFull = 1 << 16;  // room for a config, not for a state
  Program full("mltrain", tiny_run(out), folder, kFull);
  CHECK(full.wait() == 1);
  CHECK(contains(full.err(), "cannot save"));
  CHECK_FALSE(fs::exists(state));
  Program killed("mltrain", {"--resume", out.string(), "train.checkpoint_minutes=0", "--quiet"},
                 folder);
  wait_for(state);
  killed.signal(SIGKILL);
  killed.wait();
  const std::string before = Program::read(state);
  Program again("mltrain", {"--resume", out.string(), "--quiet"}, folder, kFull);
  CHECK(again.wait() == 1);
  CHECK(Program::read(state) == before);
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  CHECK(Program::read(last(trained_run())) == Program::read(last(out)));
}

TEST_CASE("NaN stops the run with exit code 4 and keeps what was saved") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  // Decay that overshoots: every step multiplies the weights by about -1000.
  Program diverging("mltrain",
                    tiny_run(out, {"optim.name=adamw", "optim.lr=1000", "optim.weight_decay=1",
                                   "schedule.name=constant"}),
                    folder);
  CHECK(diverging.wait() == 4);
  CHECK(contains(diverging.err(), "the last save is kept"));
}

TEST_CASE("usage errors exit with 2, data errors with 3") {
  const TemporaryFolder folder;
  const std::string config = std::string(MLD_SOURCE_DIR) + "/configs/shapes_resnet18.toml";
  struct Case {
    const char* program;
    std::vector<std::string> arguments;
    int code;
    const char* message;
  };
  const fs::path gone = folder.path() / "gone";
  folder.write("empty/readme.txt", "nothing here");
  const std::vector<Case> cases = {
      {"mltrain", {}, 2, ""},
      {"mltrain", {"nothing.toml"}, 2, "nothing.toml"},
      {"mltrain", {config, "optim.lrr=1"}, 2, "did you mean 'lr'"},
      {"mltrain", {config, "train.epochs=many"}, 2, "train.epochs"},
      {"mltrain", {config, "device=tpu"}, 2, "device"},
      {"mltrain", {config, "data.format=coco", "data.root=" + gone.string()}, 3, "gone"},
      {"mltrain", {config, "data.format=auto", "data.root=" + (folder.path() / "empty").string()},
       3, "empty"},
      {"mltrain", {"--resume", gone.string()}, 3, "no such run folder"},
      {"mlinfer", {"frobnicate"}, 2, "frobnicate"},
      {"mlinfer", {"info", "--model", "resnet51"}, 2, "resnet51"},
      {"mlinfer", {"eval", gone.string()}, 3, "gone"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.message);
    Program program(c.program, c.arguments, folder);
    CHECK(program.wait() == c.code);
    CHECK(contains(program.err(), c.message));
  }
}

TEST_CASE("predictions: text, JSON, CSV, bad pictures") {
  const TemporaryFolder folder;
  const std::string best = (trained_run() / "weights/best.safetensors").string();
  folder.write_picture("pictures/a.ppm", 30);
  folder.write_picture("pictures/\xc3\xa9\xff.ppm", 200);  // not UTF-8
  const std::string pictures = (folder.path() / "pictures").string();
  Program json("mlinfer", {"predict", best, pictures, "--json", "--top-k", "2"}, folder);
  REQUIRE(json.wait() == 0);
  const std::string lines = json.out();
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
  CHECK(contains(lines, "\"above\": "));
  CHECK(contains(lines, "\\\\xff.ppm"));  // escaped, still JSON
  Program csv("mlinfer", {"predict", best, pictures, "--csv", "--top-k", "1"}, folder);
  REQUIRE(csv.wait() == 0);
  CHECK(csv.out().starts_with("file,label,id,score,above\n"));
  folder.write("pictures/broken.png", "\x89PNG\r\n\x1a\n nothing more");
  Program broken("mlinfer", {"predict", best, pictures}, folder);
  CHECK(broken.wait() == 3);
  CHECK(contains(broken.err(), "broken.png"));
  CHECK(contains(broken.out(), "a.ppm"));  // the others are done
}

TEST_CASE("eval reads the run's own data, and refuses other classes and damaged files") {
  const TemporaryFolder folder;
  const fs::path best = trained_run() / "weights/best.safetensors";
  Program text("mlinfer", {"eval", best.string()}, folder);
  REQUIRE(text.wait() == 0);
  CHECK(contains(text.out(), "mAP_official"));
  Program json("mlinfer", {"eval", best.string(), "--json"}, folder);
  REQUIRE(json.wait() == 0);
  CHECK(contains(json.out(), "\"per_class\": ["));
  folder.write_picture("data/val/cat/a.ppm", 10);
  folder.write_picture("data/train/cat/a.ppm", 10);
  Program other("mlinfer", {"eval", best.string(), "--data", (folder.path() / "data").string()},
                folder);
  CHECK(other.wait() == 3);
  std::string bytes = Program::read(best);
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
  folder.write("damaged.safetensors", bytes);
  const std::string damaged = (folder.path() / "damaged.safetensors").string();
  Program checksum("mlinfer", {"predict", damaged, (folder.path() / "data/val/cat").string()},
                   folder);
  CHECK(checksum.wait() == 3);
  CHECK(contains(checksum.err(), "damaged.safetensors"));
}

TEST_CASE("info describes checkpoints and models") {
  const TemporaryFolder folder;
  Program model("mlinfer", {"info", "--model", "resnet50", "--head", "ml_decoder", "--classes", "80",
                            "--image-size", "224"}, folder);
  REQUIRE(model.wait() == 0);
  CHECK(contains(model.out(), "30720144"));  // spec/backbones.md 6
  CHECK(contains(model.out(), "4.574"));
  Program checkpoint("mlinfer", {"info", last(trained_run()).string()}, folder);
  REQUIRE(checkpoint.wait() == 0);
  CHECK(contains(checkpoint.out(), "red circle"));
}

}  // namespace mld::test
