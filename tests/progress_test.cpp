// Progress on a terminal and elsewhere.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "app/progress.h"

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Steps of `seconds` each with 16 pictures, 100 batches per epoch.
struct Run {
  double now = 0;
  std::string written;
  mld::Progress progress;

  explicit Run(const mld::TerminalStyle& style)
      : progress(style, false, [this](std::string_view text) { written += text; },
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
  run.progress.note({.text = "a message"});
  CHECK(run.written == "\r\x1b[Ka message\n");
  run.written.clear();
  run.progress.note({.text = "another"});
  CHECK(run.written == "another\n");
  run.steps(4, 4, 0.001);
  CHECK(run.written.find("epoch 2/3") != std::string::npos);  // redrawn immediately
  run.written.clear();
  run.steps(5, 5, 0.001);
  CHECK(run.written.empty());  // not drawn faster than the eye can follow
}

TEST_CASE("progress of pictures: on a terminal only, gone at the end") {
  double now = 0;
  std::string written;
  const auto through = [&](bool terminal) {
    now = 0;
    written.clear();
    mld::PictureProgress progress(
        {{.terminal = terminal, .color = false, .width = 80},
         [&](std::string_view text) { written += text; }, [&] { return now; }}, 200);
    for (int64_t done = 10; done <= 60; done += 10) {
      now += 0.5;
      progress.done(done);
    }
    CHECK(written.find('\n') == std::string::npos);
    progress.print("a message");
    progress.clear();
    return written;
  };
  const std::string shown = through(true);
  CHECK(shown.find("\r[######--------------]  30 % 60/200 pictures  20.0 a second  ETA 7 s") !=
        std::string::npos);
  CHECK(shown.ends_with("\r\x1b[Ka message\n"));
  CHECK(through(false) == "a message\n");
}

TEST_CASE("validation does not slow the rate down") {
  Run run({.terminal = false, .color = false, .width = 80});
  run.steps(1, 10, 0.5);
  run.progress.epoch({});
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
