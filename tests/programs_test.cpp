// The programs from outside: the files of training, killing and resuming, exit codes and messages.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "data/safetensors.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace mld::test {
namespace {

// A run into `out` from its start, whatever was there; and whether it has written `file`.
std::function<Program()> fresh(const fs::path& out, const TemporaryFolder& folder,
                               const std::vector<std::string>& more = {}) {
  return [=, &folder] {
    fs::remove_all(out);
    return Program("mltrain", tiny_run(out, more), folder);
  };
}
std::function<bool()> is_there(const fs::path& file) {
  return [file] { return fs::exists(file); };
}

// Continues a run to its end. Until now it may have saved at every update; from here it saves at
// the ends of epochs only.
int resume(const fs::path& out, const TemporaryFolder& folder) {
  return run("mltrain", {"--resume", out.string(), "train.checkpoint_minutes=10", "--quiet"},
             folder);
}

// A run that was killed in the middle of its first epoch and resumed, made on first use.
const fs::path& resumed_run() {
  static const TemporaryFolder folder;
  static const fs::path run_folder = [] {
    const fs::path out = folder.path() / "run";
    CHECK(interrupted(fresh(out, folder, {"train.checkpoint_minutes=0"}),
                      is_there(out / "weights/last.state.safetensors"), SIGKILL) == -SIGKILL);
    fs::remove(last(out));  // a kill between two saves leaves it outdated or missing
    REQUIRE(resume(out, folder) == 0);
    return out;
  }();
  return run_folder;
}

fs::path copy_of(const fs::path& run, const TemporaryFolder& folder) {
  fs::copy(run, folder.path() / "copy", fs::copy_options::recursive);
  return folder.path() / "copy";
}

}  // namespace

TEST_CASE("a run writes its folder") {
  for (const char* name : {"config.toml", "results.csv", "log.jsonl", "train.log",
                           "weights/last.safetensors", "weights/best.safetensors",
                           "weights/last.state.safetensors", "weights/config.json",
                           "val/metrics.json", "val/per_class.csv", "val/scores.safetensors"}) {
    CAPTURE(name);
    CHECK(fs::exists(trained_run() / name));
  }
  CHECK(lines_of(trained_run() / "results.csv").size() == 4);  // a header and three epochs
  CHECK(contains(read_file(trained_run() / "weights/config.json"),
                 "\"architecture\": \"tf_efficientnet_lite0\""));
}

TEST_CASE("two runs give the same bytes; another seed does not") {
  const TemporaryFolder folder;
  REQUIRE(run("mltrain", tiny_run(folder.path() / "again", {"name=other"}), folder) == 0);
  CHECK(read_file(last(trained_run())) == read_file(last(folder.path() / "again")));
  CHECK(read_file(trained_run() / "weights/best.safetensors") ==
        read_file(folder.path() / "again/weights/best.safetensors"));
  REQUIRE(run("mltrain", tiny_run(folder.path() / "seed", {"seed=7"}), folder) == 0);
  CHECK(read_file(last(trained_run())) != read_file(last(folder.path() / "seed")));
}

TEST_CASE("killed and resumed, a run gives the same bytes") {
  CHECK(read_file(last(trained_run())) == read_file(last(resumed_run())));
  CHECK(read_file(trained_run() / "val/scores.safetensors") ==
        read_file(resumed_run() / "val/scores.safetensors"));
}

TEST_CASE("resuming a finished run: it says so, and refuses other settings") {
  const TemporaryFolder folder;
  const fs::path out = copy_of(resumed_run(), folder);
  Program again("mltrain", {"--resume", out.string()}, folder);
  CHECK(again.wait() == 0);
  CHECK(contains(again.err(), "this run is finished"));
  Program other("mltrain", {"--resume", out.string(), "optim.lr=0.5"}, folder);
  CHECK(other.wait() == 2);
  CHECK(contains(other.err(), "optim.lr"));
  // Another config beside it is refused; the same one is not.
  const std::string config = mld::test::source_dir() + "/configs/shapes_resnet18.toml";
  Program beside("mltrain", {config, "--resume", out.string()}, folder);
  CHECK(beside.wait() == 2);
  CHECK(contains(beside.err(), "data.image_size: the run has 32, given 96"));
  CHECK(run("mltrain", {(out / "config.toml").string(), "--resume", out.string()}, folder) == 0);
}

TEST_CASE("a run may be made longer on resume, not shorter; its schedule is said") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run", whole = folder.path() / "whole";
  const auto args = [](const fs::path& to, const std::string& epochs) {
    return tiny_run(to, {"schedule.name=constant", "data.train_size=32", "data.val_size=8",
                         "train.epochs=" + epochs});
  };
  REQUIRE(run("mltrain", args(out, "1"), folder) == 0);
  std::string config = read_file(out / "config.toml");
  Program longer("mltrain", {"--resume", out.string(), "train.epochs=2", "--quiet"}, folder);
  CHECK(longer.wait() == 0);
  CHECK(contains(longer.err(), "train.epochs is raised from 1 to 2: the learning rate does not "
                               "depend on it, so results equal those of a run of that length"));
  const std::string results = read_file(out / "results.csv");
  CHECK(std::count(results.begin(), results.end(), '\n') == 3);
  REQUIRE(run("mltrain", args(whole, "2"), folder) == 0);
  CHECK(read_file(last(out)) == read_file(last(whole)));
  config.replace(config.find("\nepochs = 1"), 11, "\nepochs = 2");  // all else, origins too
  CHECK(read_file(out / "config.toml") == config);
  Program shorter("mltrain", {"--resume", out.string(), "train.epochs=1"}, folder);
  CHECK(shorter.wait() == 2);
  CHECK(contains(shorter.err(), "train.epochs: the run has 2, given 1"));
  // A schedule that depends on the length continues as the one of the new length.
  const fs::path cycle = copy_of(resumed_run(), folder);
  const Program jumps("mltrain", {"--resume", cycle.string(), "train.epochs=4", "--quiet"}, folder);
  jumps.wait_until([&] { return jumps.handles(SIGTERM); });
  jumps.signal(SIGTERM);
  CHECK(jumps.wait() == 75);  // not finished any more, and stopped: to be resumed as it is
  CHECK(contains(jumps.err(), "follows the schedule of the new length"));
  CHECK(run("mltrain", {"--resume", cycle.string(), "--quiet"}, folder) == 0);
  CHECK(lines_of(cycle / "results.csv").size() == 5);
}

TEST_CASE("resuming a finished run: missing or damaged weight files are written again") {
  const TemporaryFolder folder;
  const fs::path out = copy_of(resumed_run(), folder), best = out / "weights/best.safetensors";
  fs::remove(best);
  std::string bytes = read_file(last(out));
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
  write_file(last(out), bytes);
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  CHECK(read_file(last(trained_run())) == read_file(last(out)));
  CHECK(read_file(trained_run() / "weights/best.safetensors") == read_file(best));
}

TEST_CASE("SIGTERM saves and exits with 75, and the run goes on") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  // Told to stop while it opens its data, the run stops after its first step.
  CHECK(interrupted(fresh(out, folder), is_there(out / "config.toml"), SIGTERM) == 75);
  CHECK(fs::exists(out / "weights/last.state.safetensors"));
  CHECK_FALSE(fs::exists(out / "val/metrics.json"));
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  CHECK(read_file(last(trained_run())) == read_file(last(out)));
}

TEST_CASE("SIGHUP saves like SIGTERM, also when it comes twice; under nohup it is ignored") {
  const TemporaryFolder folder;
  const std::vector<std::string> quick = {"train.epochs=1", "data.train_size=32",
                                          "data.val_size=8"};
  const fs::path out = folder.path() / "run";
  Program closed("mltrain", tiny_run(out, quick), folder);
  closed.wait_until(is_there(out / "config.toml"));
  closed.signal(SIGHUP);
  closed.signal(SIGHUP);
  CHECK(closed.wait() == 75);
  CHECK(fs::exists(out / "weights/last.state.safetensors"));
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  const fs::path whole = folder.path() / "whole";
  std::signal(SIGHUP, SIG_IGN);  // inherited
  Program nohup("mltrain", tiny_run(whole, quick), folder);
  std::signal(SIGHUP, SIG_DFL);
  nohup.wait_until(is_there(whole / "config.toml"));
  nohup.signal(SIGHUP);
  CHECK(nohup.wait() == 0);
  CHECK(read_file(last(whole)) == read_file(last(out)));
}

TEST_CASE("a reader of the log that goes away does not end a run") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run", code = folder.path() / "code";
  std::string command = "{ " + (fs::path(binary_dir()) / "mltrain").string();
  for (const std::string& word : tiny_run(out)) {
    command += " '" + word + "'";
  }
  // head leaves after the first epoch's line; two more follow.
  command += " 2>&1; echo $? > " + code.string() + "; } | head -1 > " +
             (folder.path() / "seen").string();
  CHECK(std::system(command.c_str()) == 0);
  CHECK(read_file(code) == "0\n");
  CHECK(read_file(folder.path() / "seen").starts_with("epoch 1/3"));
  CHECK(read_file(last(out)) == read_file(last(trained_run())));
}

TEST_CASE("SIGTERM during validation saves at once, and the run goes on with the same bytes") {
  const TemporaryFolder folder;
  const std::vector<std::string> much_to_score = {"data.train_size=16", "data.val_size=4000",
                                                  "train.epochs=1"};
  const fs::path out = folder.path() / "run";
  // Its only update is done, so validation begins.
  const auto has_stepped = [&] {
    return fs::exists(out / "log.jsonl") &&
           read_file(out / "log.jsonl").find("\"step\", ") != std::string::npos;
  };
  CHECK(interrupted(fresh(out, folder, much_to_score), has_stepped, SIGTERM) == 75);
  CHECK(fs::exists(out / "weights/last.state.safetensors"));
  CHECK_FALSE(fs::exists(out / "val/metrics.json"));
  Program again("mltrain", {"--resume", out.string(), "--quiet"}, folder);
  again.wait_until([&] { return again.handles(SIGTERM); });
  again.signal(SIGTERM);
  again.signal(SIGTERM);  // the second signal stops it without waiting
  CHECK_EQ(again.wait(), 75);
  REQUIRE(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 0);
  const fs::path whole = folder.path() / "whole";
  REQUIRE(run("mltrain", tiny_run(whole, much_to_score), folder) == 0);
  CHECK(read_file(last(whole)) == read_file(last(out)));
}

TEST_CASE("a run starts from a checkpoint, and resumes without it") {
  const TemporaryFolder folder;
  const fs::path start = folder.path() / "start.safetensors", out = folder.path() / "run";
  fs::copy_file(last(trained_run()), start);
  CHECK(interrupted(fresh(out, folder, {"model.init=" + start.string(), "seed=5",
                                        "train.checkpoint_minutes=0"}),
                    is_there(out / "weights/last.state.safetensors"), SIGKILL) == -SIGKILL);
  fs::remove(start);
  REQUIRE(resume(out, folder) == 0);
  CHECK(contains(read_file(out / "train.log"), "313 tensors loaded (names of mldecoder)"));
  Program gone("mltrain", tiny_run(folder.path() / "gone", {"model.init=" + start.string()}),
               folder);
  CHECK(gone.wait() == 3);
  CHECK(contains(gone.err(), "start.safetensors"));
  CHECK_FALSE(fs::exists(folder.path() / "gone"));  // no folder for a run that never started
}

TEST_CASE("an existing run is not overwritten unless told") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  const std::vector<std::string> quick = {"train.epochs=1", "data.train_size=16"};
  REQUIRE(run("mltrain", tiny_run(out, quick), folder) == 0);
  const std::string before = read_file(last(out));
  REQUIRE(run("mltrain", tiny_run(out, {"train.epochs=1", "data.train_size=32"}), folder) == 0);
  CHECK(fs::exists(last(out.string() + "-2")));
  CHECK(read_file(last(out)) == before);
  write_file(out / "report.html", "of this run");
  write_file(out / "comparison.html", "with another run");
  std::vector<std::string> overwrite = quick;
  overwrite.insert(overwrite.end(), {"--overwrite", "--no-report", "seed=9"});
  REQUIRE(run("mltrain", tiny_run(out, overwrite), folder) == 0);
  CHECK(read_file(last(out)) != before);
  CHECK_FALSE(fs::exists(out / "report.html"));  // the old run's
  CHECK_FALSE(fs::exists(out / "comparison.html"));
}

TEST_CASE("a full disk stops the run with what was saved intact") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run", state = out / "weights/last.state.safetensors";
  constexpr rlim_t kFull = 1 << 16;  // room for a config, not for a state
  const auto resume_after_full = [&] {
    fs::remove_all(out);
    Program full("mltrain", tiny_run(out), folder, kFull);
    CHECK(full.wait() == 1);
    CHECK(contains(full.err(), "cannot save"));
    CHECK_FALSE(fs::exists(state));
    return Program("mltrain",
                   {"--resume", out.string(), "train.checkpoint_minutes=0", "--quiet"}, folder);
  };
  CHECK(interrupted(resume_after_full, is_there(state), SIGKILL) == -SIGKILL);
  const std::string before = read_file(state);
  Program again("mltrain", {"--resume", out.string(), "--quiet"}, folder, kFull);
  CHECK(again.wait() == 1);
  CHECK(read_file(state) == before);
  REQUIRE(resume(out, folder) == 0);
  CHECK(read_file(last(trained_run())) == read_file(last(out)));
}

TEST_CASE("NaN stops the run with exit code 4 and keeps what was saved") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  // Weight decay that overshoots: every step multiplies the weights by about -1000.
  const std::vector<std::string> diverging = {
      "optim.name=adamw", "optim.lr=1000", "optim.weight_decay=1", "schedule.name=constant",
      "train.epochs=40", "train.checkpoint_minutes=0"};
  Program program("mltrain", tiny_run(out, diverging), folder);
  CHECK(program.wait() == 4);
  CHECK(contains(program.err(), "the last save is kept"));
  const fs::path state = out / "weights/last.state.safetensors";
  const std::string before = read_file(state);
  REQUIRE_FALSE(before.empty());
  CHECK(run("mltrain", {"--resume", out.string(), "--quiet"}, folder) == 4);  // from there, again
  CHECK(read_file(state) == before);
}

TEST_CASE("a batch too small for the norms is refused before anything is written, in check too") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "run";
  const auto refused = [&](const std::vector<std::string>& arguments) {
    const Program program("mltrain", arguments, folder);
    CHECK(program.wait() == 2);
    CHECK(contains(program.err(), "training needs more than one value per channel"));
    CHECK(contains(program.err(), "raise train.batch_size or data.image_size"));
    CHECK_FALSE(fs::exists(out));
  };
  const std::vector<std::string> one = {"train.batch_size=1"};
  const std::vector<std::string> parts = {"train.batch_size=2", "optim.grad_accum_steps=2"};
  refused(tiny_run(out, one));
  refused(tiny_run(out, parts));  // one picture at a time
  refused({"check", mld::test::source_dir() + "/configs/shapes_resnet18.toml", parts[0], parts[1],
           "data.image_size=32", "data.train_size=8", "data.val_size=2"});
  const std::vector<std::string> quick = {"train.batch_size=4", "optim.grad_accum_steps=2",
                                          "train.epochs=1", "data.train_size=8", "data.val_size=2"};
  CHECK(run("mltrain", tiny_run(out, quick), folder) == 0);
}

TEST_CASE("usage errors exit with 2, data errors with 3") {
  const TemporaryFolder folder;
  const std::string config = mld::test::source_dir() + "/configs/shapes_resnet18.toml";
  struct Case {
    const char* program;
    std::vector<std::string> arguments;
    int code;
    const char* message;
  };
  const fs::path gone = folder.path() / "gone";
  folder.write("empty/readme.txt", "nothing here");
  const std::vector<Case> cases = {
      {"mltrain", {}, 2, "no config given"},
      {"mltrain", {"nothing.toml"}, 2, "nothing.toml"},
      {"mltrain", {config, "optim.lrr=1"}, 2, "did you mean 'lr'"},
      {"mltrain", {config, "train.epochs=many"}, 2, "train.epochs"},
      {"mltrain", {config, "device=tpu"}, 2, "device"},
      {"mltrain", {config, "data.format=coco", "data.root=" + gone.string()}, 3, "gone"},
      {"mltrain", {config, "data.format=auto", "data.root=" + (folder.path() / "empty").string()},
       3, "cannot tell the data's format"},
      {"mltrain", {config, "data.train_size=8"}, 2, "8 pictures do not fill one batch of"},
      {"mltrain", {config, "task=single-label", "loss.name=ce"}, 3, "needs exactly one a picture"},
      {"mltrain", {config, "device=cuda:99"}, 1, "cuda:99"},
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

}  // namespace mld::test
