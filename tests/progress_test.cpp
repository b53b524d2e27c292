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
  CHECK(run.written.substr(last) == "\repoch 2/3 3 %  loss 12.35  ETA 1:39\x1b[K");
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

TEST_CASE("the remaining time counts a validation per epoch, once one was seen") {
  Run run({.terminal = false, .color = false, .width = 80});
  run.steps(1, 100, 0.5);
  run.progress.epoch({});
  run.now += 40;  // validated and saved
  run.written.clear();
  for (int64_t batch = 1; batch <= 70; ++batch) {
    run.now += 0.5;
    run.progress.step({.epoch = 2, .epochs = 4, .batch = batch, .batches = 100,
                       .images = 16, .loss = 1, .lr = 1e-3});
  }
  // 139 batches and two validations are left: 69.5 and 80 seconds.
  CHECK(run.written.find("batch 61/100  loss 1  lr 1.00e-03  32.0 images/s  ETA 2:30\n") !=
        std::string::npos);
}

TEST_CASE("on narrow terminals the line says less, and never wraps") {
  size_t shortest = 100;
  for (int width = 20; width <= 110; ++width) {
    Run run({.terminal = true, .color = false, .width = width});
    run.steps(1, 30, 0.5);
    const std::string last = run.written.substr(run.written.rfind('\r') + 1);
    CHECK(last.size() - 3 < static_cast<size_t>(width));  // without the clearing sequence
    CHECK(last.find("30 %") != std::string::npos);
    CHECK(last.find("ETA 1:25") != std::string::npos);
    CHECK((last.find("loss") != std::string::npos) == (width > 36));
    CHECK((last.find("lr ") != std::string::npos) == (width > 88));
    shortest = std::min(shortest, last.size() - 3);
  }
  CHECK(shortest == std::string("2/3 30 %  ETA 1:25").size());
}

TEST_CASE("progress leaves no line behind when it ends in the middle") {
  std::string written;
  {
    mld::Progress progress({.terminal = true}, false,
                           [&](std::string_view text) { written += text; }, [] { return 0.0; });
    progress.step({.epochs = 1, .batch = 1, .batches = 2, .images = 1});
    CHECK(written.ends_with("loss 0  lr 0.00e+00\x1b[K"));
  }
  CHECK(written.ends_with("\x1b[K\r\x1b[K"));
}

TEST_CASE("bars: eighths of a cell, or ASCII") {
  const mld::TerminalStyle utf8{.terminal = true}, ascii{.terminal = true, .utf8 = false};
  CHECK(mld::filled_bar(0, 4, utf8) == "    ");
  CHECK(mld::filled_bar(1, 4, utf8) == "████");
  CHECK(mld::filled_bar(0.6, 4, utf8) == "██▍ ");  // 19.2 of 32 eighths
  CHECK(mld::filled_bar(0.6, 4, ascii) == "##  ");
  CHECK(mld::filled_bar(0.99, 4, ascii) == "####");
  CHECK(mld::filled_bar(7, 2, utf8) == "██");
  CHECK(mld::filled_bar(-1, 2, ascii) == "  ");
  CHECK(mld::filled_bar(1, 0, utf8).empty());
}

TEST_CASE("the locale decides on UTF-8: the first variable that is set") {
  const char* const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  std::string before[3];
  for (int i = 0; i < 3; ++i) {
    before[i] = std::getenv(names[i]) ? std::getenv(names[i]) : "";
    ::unsetenv(names[i]);
  }
  CHECK_FALSE(mld::utf8_locale());
  ::setenv("LANG", "de_DE.UTF-8", 1);
  CHECK(mld::utf8_locale());
  ::setenv("LC_ALL", "", 1);  // empty counts as not set
  CHECK(mld::utf8_locale());
  ::setenv("LC_CTYPE", "C", 1);
  CHECK_FALSE(mld::utf8_locale());
  ::setenv("LC_ALL", "C.utf8", 1);
  CHECK(mld::utf8_locale());
  for (int i = 0; i < 3; ++i) {
    ::setenv(names[i], before[i].c_str(), 1);
  }
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
