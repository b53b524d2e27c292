// Progress on a terminal and elsewhere, the sparkline, the run folder's log files and their
// cutting.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include "core/error.h"
#include "tests/data_files.h"
#include "train/log.h"
#include "train/progress.h"
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

// Steps of `seconds` each with 16 images, 100 batches an epoch.
struct Run {
  double now = 0;
  std::string written;
  mld::Progress progress;

  explicit Run(const mld::TerminalStyle& style)
      : progress(style, [this](std::string_view text) { written += text; },
                 [this] { return now; }) {}

  void steps(int64_t first, int64_t last, double seconds) {
    for (int64_t batch = first; batch <= last; ++batch) {
      now += seconds;
      progress.step({.epoch = 1, .epochs = 3, .batch = batch, .batches = 100,
                     .step = 100 + batch, .images = 16, .loss = 12.345678, .lr = 1e-3});
    }
  }
};

}  // namespace

TEST_CASE("elsewhere: one line per interval, with rate and remaining time") {
  Run run({.terminal = false, .color = false, .width = 80});
  run.steps(1, 80, 0.5);  // 40 seconds
  const std::vector<std::string> lines = lines_of(run.written);
  REQUIRE(lines.size() == 2);  // at the first step, then 30 seconds later
  CHECK(lines[0] == "epoch 2/3 batch 1/100  loss 12.35  lr 1.00e-03");
  // 139 batches left of this epoch and the next, half a second each.
  CHECK(lines[1] ==
        "epoch 2/3 batch 61/100  loss 12.35  lr 1.00e-03  32.0 images/s  ETA 1:10");
  CHECK(run.written.find('\x1b') == std::string::npos);
  CHECK(run.written.find('\r') == std::string::npos);
}

TEST_CASE("on a terminal: one line redrawn within the width, messages above it") {
  Run run({.terminal = true, .color = false, .width = 40});
  run.steps(1, 3, 0.5);
  CHECK(run.written.find('\n') == std::string::npos);
  CHECK(run.written.substr(0, 1) == "\r");
  CHECK(run.written.substr(run.written.size() - 3) == "\x1b[K");
  const size_t last = run.written.rfind('\r');
  CHECK(run.written.size() - last - 4 == 39);  // without \r and the clearing sequence
  run.written.clear();
  run.progress.print("a message");
  CHECK(run.written == "\r\x1b[Ka message\n");
  run.written.clear();
  run.progress.print("another");
  CHECK(run.written == "another\n");
  run.steps(4, 4, 0.001);
  CHECK(run.written.find("epoch 2/3") != std::string::npos);  // drawn again at once
  run.written.clear();
  run.steps(5, 5, 0.001);
  CHECK(run.written.empty());  // not more often than the eye can follow
}

TEST_CASE("validation does not slow the rate down") {
  Run run({.terminal = false, .color = false, .width = 80});
  run.steps(1, 10, 0.5);
  run.progress.pause();
  run.now += 1000;
  run.steps(11, 20, 0.5);
  CHECK(run.progress.images_per_second() == doctest::Approx(32.0));
}

TEST_CASE("NO_COLOR is honoured") {
  const mld::TerminalStyle plain{.terminal = true, .color = false, .width = 80};
  const mld::TerminalStyle color{.terminal = true, .color = true, .width = 80};
  CHECK(mld::colored("x", 31, plain) == "x");
  CHECK(mld::colored("x", 31, color) == "\x1b[31mx\x1b[0m");
  ::setenv("NO_COLOR", "1", 1);
  CHECK_FALSE(mld::stderr_style().color);
  ::unsetenv("NO_COLOR");
}

TEST_CASE("sparkline and durations") {
  CHECK(mld::sparkline(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7}) == "▁▂▃▄▅▆▇█");
  CHECK(mld::sparkline(std::vector<double>{10, 90}) == "▁█");
  CHECK(mld::sparkline(std::vector<double>{5, 5}) == "▅▅");
  CHECK(mld::sparkline({}).empty());
  CHECK(mld::sparkline(std::vector<double>{0, std::numeric_limits<double>::quiet_NaN(), 1}) ==
        "▁ █");
  CHECK(mld::sparkline(std::vector<double>{0, 0, 0, 1}, 2) == "▁█");
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
  CHECK(read_file(path) == head + "3,30,1.5\n");  // the partial line of a kill
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
  const std::string line = mld::json_object(
      {{"text", "a\"b\n\x1b\xff"}, {"nan", std::numeric_limits<double>::quiet_NaN()},
       {"small", 1e-300}, {"count", int64_t{-3}}, {"yes", true}});
  CHECK(line.find('\n') == std::string::npos);
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(line.c_str());
  REQUIRE_FALSE(document.HasParseError());
  CHECK(document["nan"].IsNull());
  CHECK(document["small"].GetDouble() == 1e-300);
  CHECK(document["count"].GetInt64() == -3);
  CHECK(document["yes"].GetBool());
}

TEST_CASE("errors for the terminal: lines stay, control sequences do not") {
  CHECK(mld::printable_lines("a\n\x1b[2Jb") == "a\n\\x1b[2Jb");
}

TEST_CASE("the run log writes its three files and goes on after a kill") {
  const TemporaryFolder folder;
  const mld::RunFolder run{folder.path()};
  const auto epoch = [](int64_t number, double metric) {
    return mld::EpochReport{.epoch = number, .step = 10 * (number + 1), .loss = 2.5, .lr = 1e-3,
                            .validated = number > 0, .raw_metric = metric, .ema_metric = 40,
                            .best_metric = 40, .metric = "mAP", .history = {metric}};
  };
  {
    const auto log = mld::make_run_log(true);
    log->message("before the folder is known");
    log->open(run, 0);
    log->step({.epoch = 0, .epochs = 3, .batch = 10, .batches = 10, .step = 10, .images = 1,
               .loss = 2.5, .lr = 1e-3});
    log->epoch(epoch(0, 0));
    log->warning("odd name \x1b[2J");
    log->epoch(epoch(1, 38.5));
    log->epoch(epoch(2, 39));
  }
  const std::string head =
      "epoch,step,loss,lr,metric,val_raw,val_ema,best,seconds\n"
      "1,10,2.5,0.001,mAP,,,40,";
  CHECK(read_file(run.results()).rfind(head, 0) == 0);
  REQUIRE(lines_of(read_file(run.results())).size() == 4);
  CHECK(lines_of(read_file(run.results()))[2].rfind("2,20,2.5,0.001,mAP,38.5,40,40,", 0) == 0);
  CHECK(read_file(run.text_log()).find("odd name \\x1b[2J") != std::string::npos);
  CHECK(read_file(run.text_log()).find('\x1b') == std::string::npos);

  const auto log = mld::make_run_log(true);  // killed; the last save was at step 20
  log->open(run, 20);
  CHECK(lines_of(read_file(run.results())).size() == 3);
  log->epoch(epoch(2, 41));
  CHECK(lines_of(read_file(run.results())).size() == 4);
  for (const std::string& line : lines_of(read_file(run.events()))) {
    rapidjson::Document document;
    document.Parse(line.c_str());
    CAPTURE(line);
    REQUIRE_FALSE(document.HasParseError());
    CHECK(document.HasMember("step"));
  }
}
