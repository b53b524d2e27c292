// TensorBoard's event files: framing, contents, what a killed and resumed run leaves. With
// MLD_EVENTS_OUT=FOLDER the last test leaves its files there, for tools/test_interop.
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
#include "data/text.h"
#include "tests/data_files.h"
#include "train/event_files.h"
#include "train/event_records.h"
#include "train/events.pb.h"
#include "train/log_files.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// Every event of a file, whose records must be whole.
std::vector<events::Event> events_of(const fs::path& path) {
  const std::string text = test::read_file(path);
  std::vector<events::Event> found;
  size_t at = 0;
  while (const auto record = next_record(text, at)) {
    found.emplace_back();
    REQUIRE(found.back().ParseFromString(std::string(*record)));
  }
  CHECK(at == text.size());
  return found;
}

// The numbers of a tag by step; of equal steps the last.
std::map<int64_t, float> series(const std::vector<events::Event>& all, const std::string& tag) {
  std::map<int64_t, float> found;
  for (const events::Event& event : all) {
    for (const events::Summary::Value& value : event.summary().value()) {
      if (value.tag() == tag) {
        REQUIRE(value.value_case() == events::Summary::Value::kSimpleValue);
        found[event.step()] = value.simple_value();
      }
    }
  }
  return found;
}

const events::Summary::Value* value_of(const events::Event& event, const std::string& tag) {
  for (const events::Summary::Value& value : event.summary().value()) {
    if (value.tag() == tag) {
      return &value;
    }
  }
  return nullptr;
}

// What an epoch's report says of scores [4, 2] for the classes "cat" and "a/\x1b".
EpochReport epoch_at(int64_t number, int64_t step) {
  Scores scores;
  scores.scores = {0.9f, 0.2f, 0.4f, 0.7f, 0.35f, 0.1f, 0.6f, 0.5f};
  scores.targets = {Label::present, Label::absent, Label::absent,  Label::present,
                    Label::present, Label::absent, Label::unknown, Label::absent};
  scores.classes = 2;
  const std::vector<std::string> names = {"cat", "a/\x1b"};
  EpochReport report{.epoch = number, .epochs = 3, .step = step, .loss = 2.5, .lr = 1e-3,
                     .metric = "mAP", .raw = evaluate(scores, names, false), .best = 40};
  report.raw->curves = threshold_curves(scores.predictions(), names, 1, 11);
  return report;
}

StepReport step_at(int64_t step, double loss) {
  return {.batch = 1, .batches = 1, .step = step, .images = 8, .loss = loss, .lr = 1e-3,
          .gradient_norm = 4, .kept = true, .images_per_second = 16};
}

RunFolder run_in(const test::TemporaryFolder& folder) {
  fs::create_directories(RunFolder{folder.path()}.val());
  return {folder.path()};
}

// A PNG's signature and first chunk, IHDR, of a picture of 3 x 2 RGB pixels; the rest is missing.
std::vector<uint8_t> png_start() {
  return {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R',
          0,    0,   0,   3,   0,    0,    0,    2,    8, 2, 0, 0,  0,   0,   0,   0};
}

}  // namespace

TEST_CASE("records: the published framing") {
  // RFC 3720 B.4: 32 zero bytes have the CRC 8a9136aa; masked by hand.
  const std::string zeros(32, '\0');
  CHECK(masked_crc32c(zeros) == ((0x8a9136aau >> 15 | 0x8a9136aau << 17) + 0xa282ead8u));
  const std::string record = record_of(zeros);
  REQUIRE(record.size() == 8 + 4 + 32 + 4);
  CHECK(record.substr(0, 8) == std::string("\x20\0\0\0\0\0\0\0", 8));
  // What TensorBoard 2.21's RecordWriter writes for the three bytes "abc".
  CHECK(record_of("abc") == std::string("\x03\0\0\0\0\0\0\0\xb0\x99\x49\x0e"
                                        "abc\x6e\x57\xf1\x21", 19));
  const std::string file = record + record_of("") + record_of("abc");
  size_t at = 0;
  CHECK(next_record(file, at) == zeros);
  CHECK(next_record(file, at) == "");
  CHECK(next_record(file, at) == "abc");
  CHECK_FALSE(next_record(file, at).has_value());
  CHECK(at == file.size());
}

TEST_CASE("records: every cut and every changed byte is noticed") {
  const std::string record = record_of("content");
  for (size_t size = 0; size < record.size(); ++size) {
    size_t at = 0;
    CHECK_FALSE(next_record(record.substr(0, size), at).has_value());
    CHECK(at == 0);
  }
  for (size_t i = 0; i < record.size(); ++i) {
    std::string damaged = record;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    size_t at = 0;
    CHECK_FALSE(next_record(damaged, at).has_value());
  }
}

TEST_CASE("an event file has every number, the curves and a picture, and names nobody") {
  const test::TemporaryFolder folder;
  const RunFolder run = run_in(folder);
  const EpochReport report = epoch_at(0, 10);
  event_sink(run, 0)->step({.step = 9});  // not kept
  {
    const auto sink = event_sink(run, 0);
    sink->step(step_at(10, 2.25));
    sink->epoch(report);
    sink->picture({"worst\x1b", 10, png_start()});
    CHECK(sink->problem().empty());
  }
  CHECK(events_of(run.event_file(1)).size() == 2);
  const auto all = events_of(run.event_file(2));
  REQUIRE(all.size() == 5);
  CHECK(all[0].file_version() == "brain.Event:2");
  CHECK(all[1].session_log().status() == events::SessionLog::START);
  CHECK(all[1].step() == 1);
  CHECK(std::abs(all[2].wall_time() - static_cast<double>(std::time(nullptr))) < 60);
  CHECK(series(all, "train/loss") == std::map<int64_t, float>{{10, 2.25f}});
  CHECK(series(all, "train/gradient_norm")[10] == 4);
  CHECK(series(all, "train/images_per_second")[10] == 16);
  for (const NamedValue& metric : named_metrics(*report.raw)) {
    CAPTURE(metric.key);
    CHECK(series(all, std::string("val_raw/") + metric.key) ==
          std::map<int64_t, float>{{10, static_cast<float>(metric.value)}});
  }
  CHECK(series(all, "val_ema/mAP").empty());
  CHECK(series(all, "epoch/best")[10] == 40);

  const auto* micro = value_of(all[3], "pr_curve/micro_average");
  REQUIRE(micro != nullptr);
  CHECK(micro->metadata().plugin_data().plugin_name() == "pr_curves");
  events::PrCurvePluginData plugin;
  CHECK(plugin.ParseFromString(micro->metadata().plugin_data().content()));
  CHECK(plugin.num_thresholds() == 11);
  CHECK(micro->tensor().tensor_shape().dim(0).size() == 6);
  CHECK(micro->tensor().tensor_shape().dim(1).size() == 11);
  REQUIRE(micro->tensor().float_val_size() == 66);
  std::vector<float> at_half;  // at 0.5: 0.9 and 0.7 rightly, 0.5 wrongly; 0.35 is missed
  for (int row = 0; row < 6; ++row) {
    at_half.push_back(micro->tensor().float_val(row * 11 + 5));
  }
  CHECK(at_half == std::vector<float>{2, 1, 3, 1, 2.0f / 3, 2.0f / 3});
  CHECK(value_of(all[3], "pr_curve_of_class/cat") != nullptr);
  CHECK(value_of(all[3], "pr_curve_of_class/a/\\x1b") == nullptr);  // the cap is one class

  const auto* picture = value_of(all[4], "worst\\x1b");
  REQUIRE(picture != nullptr);
  CHECK(picture->image().width() == 3);
  CHECK(picture->image().height() == 2);
  CHECK(picture->image().colorspace() == 3);
  CHECK(picture->image().encoded_image_string().size() == png_start().size());
  CHECK(run.event_file(2).filename() == "events.out.tfevents.0000000002.mldecoder");
}

TEST_CASE("a picture that is no PNG is refused") {
  const test::TemporaryFolder folder;
  const std::string text = "a JPEG, perhaps, of more than 26 bytes";
  CHECK_THROWS_WITH_AS(
      event_sink(run_in(folder), 0)
          ->picture({"p", 1, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}}),
      "event file: a picture must be a PNG", Error);
}

TEST_CASE("a killed run's event files are cut back to its last save, and a new one goes on") {
  const char* kept = std::getenv("MLD_EVENTS_OUT");
  const test::TemporaryFolder temporary;
  const RunFolder run{kept != nullptr ? fs::path(kept) : temporary.path()};
  fs::create_directories(run.val());
  {
    RunLog log;
    log.open(run, 0);
    for (const int64_t step : {10, 20, 30}) {
      log.step(step_at(step, static_cast<double>(step)));
    }
  }
  const auto whole = events_of(run.event_file(1));
  REQUIRE(series(whole, "train/loss").size() == 3);
  const auto bytes = fs::file_size(run.event_file(1));
  fs::resize_file(run.event_file(1), bytes - 5);  // killed while it wrote step 30
  cut_event_files(run, 30);
  CHECK(series(events_of(run.event_file(1)), "train/loss") ==
        std::map<int64_t, float>{{10, 10}, {20, 20}});
  {
    RunLog log;
    log.open(run, 10);  // the last save
    log.step(step_at(20, 21));
    log.epoch(epoch_at(0, 20));
    const std::string png = test::read_file(test::kFixtures / "pics/png_rgb8.png");
    log.picture("worst errors", {reinterpret_cast<const uint8_t*>(png.data()), png.size()});
  }
  CHECK(series(events_of(run.event_file(1)), "train/loss") == std::map<int64_t, float>{{10, 10}});
  const auto second = events_of(run.event_file(2));
  CHECK(second[1].session_log().status() == events::SessionLog::START);
  CHECK(second[1].step() == 11);
  CHECK(series(second, "train/loss") == std::map<int64_t, float>{{20, 21}});
  CHECK(value_of(second.back(), "worst errors") != nullptr);
}

TEST_CASE("event files: what cannot be written, and what is not a session's file") {
  const test::TemporaryFolder folder;
  CHECK(test::message_of<DataError>(
            [&] { event_sink({folder.path() / "absent"}, 0); }, folder.path())
            .find("absent") != std::string::npos);
  CHECK(RunFolder::session_of("a/events.out.tfevents.0000000012.mldecoder") == 12);
  for (const char* other : {"events.out.tfevents.1700000000.host", "events.out.tfevents..mldecoder",
                            "events.out.tfevents.x.mldecoder", "results.csv"}) {
    CHECK(RunFolder::session_of(other) == 0);
  }
}

}  // namespace mld
