// The run's log: what its files contain, how they are truncated, and that sinks get every event.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include "core/error.h"
#include "tests/data_files.h"
#include "train/log_files.h"
#include "train/run_log.h"

namespace {

namespace fs = std::filesystem;
using mld::test::read_file;
using mld::test::TemporaryFolder;
using mld::test::write_file;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

mld::Evaluation evaluation_of(double map) {
  mld::Evaluation evaluation;
  evaluation.present.percent = map;
  return evaluation;
}

// Epoch `number` of 3; the first one is not validated. The average is the better one.
mld::EpochReport epoch(int64_t number, double raw) {
  mld::EpochReport report{.epoch = number, .epochs = 3, .step = 10 * (number + 1), .loss = 2.5,
                          .lr = 1e-3, .metric = "mAP"};
  if (number > 0) {
    report.raw = evaluation_of(raw);
    report.average = evaluation_of(40);
    report.improved = report.average_is_better = true;
    report.best = 40;
    report.history = {raw, 40};
  }
  return report;
}

// Records the events it gets.
struct Listener : mld::LogSink {
  std::vector<std::string>& heard;

  explicit Listener(std::vector<std::string>& heard_, const std::string& problem = "")
      : heard(heard_) {
    problem_ = problem;
  }
  void note(const mld::Note& note) override {
    const bool warning = note.kind == mld::Note::Kind::warning;
    heard.push_back((warning ? "warning " : "message ") + note.text + " @" +
                    std::to_string(note.step));
  }
  void step(const mld::StepReport& report) override {
    heard.push_back("step " + std::to_string(report.step));
  }
  void epoch(const mld::EpochReport& report) override {
    heard.push_back("epoch " + std::to_string(report.epoch));
  }
};

}  // namespace

TEST_CASE("sparkline and durations") {
  CHECK(mld::sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}) == "▁▂▃▄▅▆▇█");
  CHECK(mld::sparkline(std::vector<double>{10, 90}) == "▁█");
  CHECK(mld::sparkline(std::vector<double>{5, 5}) == "▅▅");
  CHECK(mld::sparkline({}).empty());
  CHECK(mld::sparkline(std::vector<double>{0, std::numeric_limits<double>::quiet_NaN(), 1}) ==
        "▁ █");
  CHECK(mld::sparkline(std::vector<double>{0, 0, 0, 1}, 2) == "▁█");
  CHECK(mld::sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}, 8, false) == ".:-=+*#@");
  CHECK(mld::format_duration(42.4) == "42 s");
  CHECK(mld::format_duration(59.6) == "1:00");
  CHECK(mld::format_duration(187) == "3:07");
  CHECK(mld::format_duration(8109) == "2:15:09");
  CHECK(mld::format_duration(-1) == "?");
}

TEST_CASE("results.csv is cut back to a step") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "results.csv";
  const std::string head = "epoch,step,loss\n1,10,3.5\n2,20,2.5\n";
  write_file(path, head + "3,30,1.5\n4,4");
  mld::cut_csv(path, 100);
  CHECK(read_file(path) == head + "3,30,1.5\n");  // the partial line that a kill left
  mld::cut_csv(path, 29);
  CHECK(read_file(path) == head);
  mld::cut_csv(path, 20);
  CHECK(read_file(path) == head);
  mld::cut_csv(path, 0);
  CHECK(read_file(path) == "epoch,step,loss\n");
  write_file(path, "epoch,loss\n1,2\n");
  CHECK_THROWS_AS(mld::cut_csv(path, 1), mld::DataError);
  CHECK_NOTHROW(mld::cut_csv(folder.path() / "absent.csv", 1));
}

TEST_CASE("log.jsonl is cut back to a step") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "log.jsonl";
  const std::string kept = "{\"event\": \"note\"}\n{\"step\": 10}\n";
  write_file(path, kept + "{\"step\": 11}\n{\"event\": \"note\"}\n{\"step\": 12, \"te");
  mld::cut_jsonl(path, 11);
  CHECK(read_file(path) == kept + "{\"step\": 11}\n{\"event\": \"note\"}\n");
  mld::cut_jsonl(path, 10);
  CHECK(read_file(path) == kept);
  write_file(path, kept + "damaged\n{\"step\": 3}\n");
  mld::cut_jsonl(path, 10);
  CHECK(read_file(path) == kept);
}

TEST_CASE("events are valid JSON whatever is in them") {
  const TemporaryFolder folder;
  const mld::RunFolder run{folder.path()};
  mld::RunLog log;
  log.open(run, 3);
  log.message("a\"b\n\x1b\xff");
  log.step({.epoch = 1, .step = 4, .loss = std::numeric_limits<double>::quiet_NaN(),
            .lr = 1e-300});
  const std::vector<std::string> lines = lines_of(read_file(run.events()));
  REQUIRE(lines.size() == 3);  // the first is the start
  const auto parsed = [](const std::string& line) {
    rapidjson::Document document;
    document.Parse<rapidjson::kParseValidateEncodingFlag>(line.c_str());
    REQUIRE_FALSE(document.HasParseError());
    return document;
  };
  CHECK_EQ(parsed(lines[1])["text"].GetString(), std::string("a\"b\n\x1b\\xff"));
  CHECK_EQ(parsed(lines[1])["step"].GetInt64(), 3);
  CHECK_EQ(parsed(lines[2])["epoch"].GetInt64(), 2);
  CHECK(parsed(lines[2])["loss"].IsNull());
  CHECK_EQ(parsed(lines[2])["lr"].GetDouble(), 1e-300);
}

TEST_CASE("pictures a second: counted from the step before, without validation") {
  const TemporaryFolder folder;
  const mld::RunFolder run{folder.path()};
  mld::RunLog log;
  log.open(run, 0);
  const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(100)); };
  pause();
  log.step({.batch = 1, .batches = 2, .step = 1, .images = 50});  // logged: the first
  log.step({.batch = 2, .batches = 2, .step = 2, .images = 50});  // logged: the epoch's last
  pause();
  log.epoch(epoch(0, 0));
  pause();
  log.step({.batch = 2, .batches = 2, .step = 12, .images = 10});
  std::vector<double> speeds;
  for (const std::string& line : lines_of(read_file(run.events()))) {
    rapidjson::Document event;
    event.Parse(line.c_str());
    if (event.HasMember("images_per_second")) {
      speeds.push_back(event["images_per_second"].GetDouble());
    }
  }
  REQUIRE(speeds.size() == 3);
  CHECK(speeds[0] <= 500);  // 50 in at least 0.1 s, however busy the machine
  CHECK(speeds[1] > 0);
  CHECK(speeds[2] <= 100);  // and not the 60 since the first step in 0.3 s
  CHECK(speeds[2] > 0);
}

TEST_CASE("every sink hears every event, in order; the folder's also what was said before it") {
  const TemporaryFolder folder;
  std::vector<std::string> first, second;
  mld::RunLog log;
  log.add(std::make_unique<Listener>(first));
  log.add(std::make_unique<Listener>(second));
  log.message("a");
  log.open(mld::RunFolder{folder.path()}, 7);
  log.warning("b");
  log.step({.step = 8});
  log.message("c");
  log.epoch(epoch(0, 0));
  CHECK(first == std::vector<std::string>{"message a @0", "warning b @7", "step 8",
                                          "message c @8", "epoch 0"});
  CHECK(second == first);
  const std::string text = read_file(folder.path() / "train.log");
  CHECK(text.find("message: a\n") < text.find("warning: b\n"));
  CHECK(text.find("message: a\n") == text.rfind("message: a\n"));
}

TEST_CASE("one warning names each sink that cannot write; all sinks go on") {
  std::vector<std::string> heard, first, second;
  mld::RunLog log;
  log.add(std::make_unique<Listener>(first, "a.csv: no"));
  log.add(std::make_unique<Listener>(heard));
  log.step({.step = 1});
  log.add(std::make_unique<Listener>(second, "b.html: not written"));
  log.step({.step = 2});
  log.step({.step = 3});
  CHECK(heard == std::vector<std::string>{"step 1", "warning a.csv: no; the run goes on @1",
                                          "step 2",
                                          "warning b.html: not written; the run goes on @2",
                                          "step 3"});
  CHECK(first == heard);
  CHECK(second.size() == 3);
}

TEST_CASE("a folder val/ that cannot be written: an error at the start, later a warning") {
  const TemporaryFolder folder;
  const mld::RunFolder run{folder.path()};
  mld::RunLog unable;
  write_file(run.val(), "a file");
  CHECK(mld::test::message_of<mld::DataError>([&] { unable.open(run, 0); }, folder.path()) ==
        "ROOT/val: not a folder that can be written to: Not a directory");
  fs::remove(run.val());

  std::vector<std::string> heard;
  mld::RunLog log;
  log.add(std::make_unique<Listener>(heard));
  log.open(run, 0);
  fs::remove(run.val());
  log.epoch(epoch(1, 38.5));
  log.epoch(epoch(2, 39));
  REQUIRE(heard.size() == 3);  // one warning for two failures
  CHECK(heard[1] == "warning " + run.val().string() +
                        "/metrics.json: cannot save: creating the temporary file failed: No such "
                        "file or directory; the old file, if any, is untouched; the run goes on "
                        "@20");
  CHECK(lines_of(read_file(run.results())).size() == 3);  // the header and both epochs
}

TEST_CASE("an epoch's line") {
  mld::EpochReport report = epoch(1, 38.5);
  report.seconds = 187;
  CHECK(mld::epoch_line(report) ==
        "epoch 2/3  loss 2.5  mAP 38.50  averaged 40.00  best 40.00  ▁█  3:07");
  report.history.assign(50, 1);
  const std::string wide = mld::epoch_line(report, {.width = 80, .utf8 = false});
  CHECK(wide.size() == 80);
  CHECK(wide.ends_with("  best 40.00  " + std::string(80 - 66, '+') + "  3:07"));
  const std::string tight = "epoch 2/3  loss 2.5  mAP 38.50  averaged 40.00  best 40.00  3:07";
  CHECK(mld::epoch_line(report, {.width = 30}) == tight);
  CHECK(mld::epoch_line(report, {.width = 200, .utf8 = false}).size() == tight.size() + 2 + 40);
  report.history = {38.5, 40};
  report.average.reset();
  CHECK(mld::epoch_line(report) == "epoch 2/3  loss 2.5  mAP 38.50  best 40.00  ▁█  3:07");
  report.raw.reset();
  CHECK(mld::epoch_line(report) == "epoch 2/3  loss 2.5  3:07");
}

TEST_CASE("the run log writes its files and goes on after a kill") {
  const TemporaryFolder folder;
  const mld::RunFolder run{folder.path()};
  fs::create_directories(run.val());
  {
    mld::RunLog log;
    log.message("before the folder is known");
    log.open(run, 0);
    log.step({.epoch = 0, .epochs = 3, .batch = 10, .batches = 10, .step = 10, .images = 1,
              .loss = 2.5, .lr = 1e-3});
    log.epoch(epoch(0, 0));
    CHECK_FALSE(fs::exists(run.val() / "metrics.json"));
    log.warning("odd name \x1b[2J");
    log.epoch(epoch(1, 38.5));
    log.epoch(epoch(2, 39));
  }
  const std::vector<std::string> rows = lines_of(read_file(run.results()));
  REQUIRE(rows.size() == 4);
  CHECK(rows[0] == "epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds");
  CHECK(rows[1].rfind("1,10,2.5,0.001,mAP,,,-1,", 0) == 0);
  CHECK(rows[2].rfind("2,20,2.5,0.001,mAP,38.5,40,40,", 0) == 0);
  CHECK(read_file(run.text_log()).find("odd name \\x1b[2J") != std::string::npos);
  CHECK(read_file(run.text_log()).find('\x1b') == std::string::npos);
  // Of the better of the two.
  CHECK(read_file(run.val() / "metrics.json").find("\"mAP\": 40.0") != std::string::npos);

  mld::RunLog log;  // killed; the last save was at step 20
  log.open(run, 20);
  CHECK(lines_of(read_file(run.results())).size() == 3);
  log.epoch(epoch(2, 41));
  CHECK(lines_of(read_file(run.results())).size() == 4);
  std::vector<std::string> kinds;
  for (const std::string& line : lines_of(read_file(run.events()))) {
    rapidjson::Document event;
    event.Parse(line.c_str());
    CAPTURE(line);
    REQUIRE_FALSE(event.HasParseError());
    CHECK(event.HasMember("step"));
    kinds.emplace_back(event["event"].GetString());
    if (kinds.back() == "epoch") {
      const bool validated = event["epoch"].GetInt() > 1;
      CHECK(event["validated"].GetBool() == validated);
      CHECK(event.HasMember("raw") == validated);
      CHECK((!validated || event["ema"].GetDouble() == 40));
    }
  }
  CHECK(kinds == std::vector<std::string>{"start", "message", "step", "epoch", "warning", "epoch",
                                          "start", "epoch"});
}
