// Pictures of the worst errors for TensorBoard, and work that takes a share of the time only.
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "app/error_sheets.h"
#include "app/time_share.h"
#include "core/error.h"
#include "tests/fake_dataset.h"
#include "train/event_files.h"

namespace mld::test {
namespace {

constexpr Label P = Label::present, A = Label::absent;

struct PictureListener : LogSink {
  std::vector<std::pair<std::string, Image>>& heard;
  explicit PictureListener(std::vector<std::pair<std::string, Image>>& heard_) : heard(heard_) {}
  void picture(const PictureReport& report) override {
    heard.emplace_back(report.tag, decode_image(report.png, "sheet"));
  }
};

// Of eight pictures: "a" is found where it is not (0.9 in picture 6, 0.8 in 3), "b" is missed in
// picture 4, "c" is right, "d" is in no picture.
EpochReport report_of_errors() {
  Scores scores;
  for (int64_t i = 0; i < 8; ++i) {
    scores.scores.insert(scores.scores.end(),
                         {i == 6 ? 0.9f : i == 3 ? 0.8f : i < 2 ? 0.7f : 0.1f,
                          i == 4 || i == 1 ? 0.2f : i == 5 ? 0.6f : 0.3f,
                          i == 7 ? 0.9f : 0.1f, 0.1f});
    scores.targets.insert(scores.targets.end(),
                          {i < 2 ? P : A, i == 4 || i == 5 ? P : A, i == 7 ? P : A, A});
    scores.indices.push_back(i);
  }
  scores.classes = 4;
  EpochReport report{.epochs = 3, .step = 20, .metric = "mAP"};
  report.raw = evaluate(scores, {"a", "b", "c", "d"}, false);
  report.raw->scores = std::make_shared<const Scores>(scores);
  report.improved = true;
  return report;
}

// The grey of the picture in a place of the sheet; its frame is 3 pixels after a gap of 3.
int grey_at(const Image& sheet, int column, int row, int side) {
  const int step = side + 9;
  return sheet.pixel(3 + column * step + 3 + side / 2, 3 + row * step + 3 + side / 2)[1];
}

}  // namespace

TEST_CASE("a contact sheet: a row under the other, frames of its colour, proportions kept") {
  const SheetRow rows[] = {{{Image(40, 20, 200), Image()}, {255, 0, 0}},
                           {{Image(1, 300, 50)}, {0, 0, 255}}};
  const Image sheet = contact_sheet(rows, 3, 20);
  CHECK(sheet.width == 3 * 29 + 3);
  CHECK(sheet.height == 2 * 29 + 3);
  const auto colour = [&](int x, int y) {
    return std::vector<int>{sheet.pixel(x, y)[0], sheet.pixel(x, y)[1], sheet.pixel(x, y)[2]};
  };
  const std::vector<int> paper = {128, 128, 128};
  CHECK(colour(0, 0) == paper);
  CHECK(colour(3, 3) == std::vector<int>{255, 0, 0});
  CHECK(colour(16, 16) == std::vector<int>{200, 200, 200});
  CHECK(colour(16, 10) == paper);  // above the wide picture, within its frame
  CHECK(colour(3 + 29, 3) == paper);  // the second picture has no pixels: no frame
  CHECK(colour(3, 3 + 29) == std::vector<int>{0, 0, 255});
  CHECK(colour(15, 45) == std::vector<int>{50, 50, 50});
  CHECK(colour(17, 45) == paper);  // beside the narrow one
}

TEST_CASE("after the best epoch so far the log gets the worst errors of the worst classes") {
  if (!can_write_event_files()) {
    MESSAGE("SKIPPED: no event files in this build");
    return;
  }
  const Splits splits{.train = std::make_unique<FakeDataset>(8),
                      .val = std::make_unique<FakeDataset>(8, std::set<int64_t>{3})};
  std::vector<std::pair<std::string, Image>> heard;
  Config config;
  double now = 0;
  TimeShare time(0.01, [&] { return now += 0.5; });
  RunLog log;
  add_error_sheets(log, config, splits, time);
  log.add(std::make_unique<PictureListener>(heard));
  EpochReport report = report_of_errors();
  report.improved = false;
  log.epoch(report);
  CHECK(heard.empty());
  report.improved = true;
  log.epoch(report);
  REQUIRE(heard.size() == 2);  // "c" has no errors, "d" no pictures
  CHECK(heard[0].first == "worst_errors/a");
  CHECK(heard[1].first == "worst_errors/b");
  const Image &a = heard[0].second, &b = heard[1].second;
  CHECK(grey_at(a, 0, 0, 80) == 6);    // FakeDataset's picture i is of grey i
  CHECK(grey_at(a, 1, 0, 80) == 128);  // picture 3 cannot be read
  CHECK(grey_at(a, 0, 1, 80) == 128);  // nothing was missed
  CHECK(grey_at(b, 0, 0, 80) == 128);
  CHECK(grey_at(b, 0, 1, 80) == 4);

  report.step = 21;  // no time yet
  log.epoch(report);
  CHECK(heard.size() == 2);
  now += 1000;
  log.epoch(report);
  CHECK(heard.size() == 4);
  heard.resize(2);

  now += 1000;
  report.step = 22;
  report.raw->scores.reset();  // too many to be kept
  log.epoch(report);
  CHECK(heard.size() == 2);
  config.log.tensorboard = Wanted::off;
  RunLog none;
  add_error_sheets(none, config, splits, time);
  none.add(std::make_unique<PictureListener>(heard));
  none.epoch(report_of_errors());
  CHECK(heard.size() == 2);
}

TEST_CASE("of one label a picture, a right answer is no error, however low its score") {
  if (!can_write_event_files()) {
    MESSAGE("SKIPPED: no event files in this build");
    return;
  }
  Scores scores;
  for (int64_t i = 0; i < 6; ++i) {  // only picture 4 is wrong, and surely so
    scores.scores.insert(scores.scores.end(), {i == 4 ? 0.1f : 0.35f, i == 4 ? 0.8f : 0.33f, 0.1f});
    scores.targets.insert(scores.targets.end(), {P, A, A});
    scores.indices.push_back(i);
  }
  scores.targets[16] = P;  // picture 5 shows "b"
  scores.targets[15] = A;
  scores.scores[16] = 0.4f;
  scores.classes = 3;
  EpochReport report{.epochs = 3, .step = 20, .metric = "top1"};
  report.raw = evaluate(scores, {"a", "b", "c"}, true);
  report.raw->scores = std::make_shared<const Scores>(scores);
  report.improved = true;
  const Splits splits{.train = std::make_unique<FakeDataset>(6),
                      .val = std::make_unique<FakeDataset>(6)};
  std::vector<std::pair<std::string, Image>> heard;
  TimeShare time(1);
  RunLog log;
  add_error_sheets(log, Config(), splits, time);
  log.add(std::make_unique<PictureListener>(heard));
  log.epoch(report);
  REQUIRE(heard.size() == 2);
  for (const auto& [tag, sheet] : heard) {
    const bool missed = tag == "worst_errors/a";
    CAPTURE(tag);
    CHECK(grey_at(sheet, 0, 0, 80) == (missed ? 128 : 4));  // b was found in picture 4
    CHECK(grey_at(sheet, 0, 1, 80) == (missed ? 4 : 128));
    CHECK(grey_at(sheet, 1, 1, 80) == 128);
  }
}

TEST_CASE("work that takes at most a share of the time") {
  double now = 1000;
  TimeShare share(0.02, [&] { return now; });
  CHECK(share.allows(1));
  share.spend([&] { now += 3; });
  CHECK(share.allows(1));  // what else is to be done after the same update
  CHECK_FALSE(share.allows(2));
  share.spend([&] { now += 1; });
  CHECK_FALSE(share.allows(2));
  now += 198;  // 3 seconds and 1 are a fiftieth of 200
  CHECK_FALSE(share.allows(2));
  now += 1.5;
  CHECK(share.allows(2));
  share.spend([&] { now += 0.1; });
  now += 4.9;
  CHECK_FALSE(share.allows(3));
  now += 0.2;
  CHECK(share.allows(3));
  // Work that fails takes time too.
  CHECK_THROWS_AS(share.spend([&] {
                    now += 2;
                    fail<Error>("in the middle");
                  }),
                  Error);
  now += 99;
  CHECK_FALSE(share.allows(4));
  now += 1.5;
  CHECK(share.allows(4));
}

}  // namespace mld::test
