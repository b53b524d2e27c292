// When training writes its report, and what is in it then.
#include <atomic>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "app/config_file.h"
#include "app/report.h"
#include "app/report/data_summary.h"
#include "tests/fake_dataset.h"
#include "train/run_log.h"

namespace mld::test {
namespace {

constexpr Label P = Label::present, A = Label::absent;

// Pictures that take 10 ms each by the clock of the test.
class SlowDataset : public FakeDataset {
 public:
  SlowDataset(int64_t n, std::atomic<int64_t>& now) : FakeDataset(n), now_(now) {}
  Image load(int64_t i) const override {
    now_ += 10;
    for (int64_t h = highest; i > h && !highest.compare_exchange_weak(h, i);) {
    }
    return FakeDataset::load(i);
  }

  mutable std::atomic<int64_t> highest{0};

 private:
  std::atomic<int64_t>& now_;  // milliseconds
};

// A run of 10 epochs with 10 updates each, whose best epochs are wrong about some pictures.
struct FakeRun {
  FakeRun() {
    const auto add = [&](auto& split) { split = std::make_unique<SlowDataset>(12, now); };
    add(splits.train);
    add(splits.val);
    config.data.format = "shapes";
    config.train.epochs = 10;
    folder.write("config.toml", to_toml(config, {}));
    log.open(run, 0, config);
    add_report(log, run, config, splits, time);
  }

  EpochReport report(int64_t epoch, bool improved) const {
    Scores scores{.classes = 3, .split_size = 12, .fingerprint = fingerprint(*splits.val)};
    for (int64_t i = 0; i < 12; ++i) {
      for (int64_t k = 0; k < 3; ++k) {
        scores.scores.push_back(i % 3 == k && i > 2 ? 0.9f : 0.2f);
        scores.targets.push_back(i % 3 == k ? P : A);
      }
      scores.indices.push_back(i);
    }
    EpochReport report{.epoch = epoch, .epochs = 10, .step = 10 * (epoch + 1), .metric = "mAP"};
    report.raw = evaluate(scores, {"a", "b", "c"}, false);
    report.raw->scores = std::make_shared<const Scores>(std::move(scores));
    report.improved = improved;
    return report;
  }
  void epoch(int64_t number, bool improved) { log.epoch(report(number, improved)); }
  std::string page() const { return read_file(run.report()); }
  bool shows(const std::string& text) const { return page().find(text) != std::string::npos; }

  std::atomic<int64_t> now{0};
  TemporaryFolder folder;
  RunFolder run{folder.path()};
  Config config;
  Splits splits;
  TimeShare time{0.01, [this] { return 1e-3 * static_cast<double>(now); }};
  RunLog log;
};

}  // namespace

TEST_CASE("a run's report: at first, when there is time, at the end; of the best weights then") {
  FakeRun run;
  run.epoch(0, true);
  CHECK(run.shows("1 of 10 epochs"));
  CHECK(run.shows("by the weights after update 10"));
  const int64_t spent = run.now;
  CHECK(spent > 100);
  run.now += 50 * spent;
  run.epoch(1, true);
  CHECK(run.shows("1 of 10 epochs"));  // no time yet
  run.now += 51 * spent;
  run.epoch(2, false);
  CHECK(run.shows("3 of 10 epochs"));
  CHECK(run.shows("by the weights after update 20"));  // as the run folder keeps them
  CHECK_FALSE(run.shows("class=\"warning\""));
  run.epoch(3, true);
  CHECK(run.shows("3 of 10 epochs"));
  run.log.end(ExitCode::stopped);
  CHECK(run.shows("4 of 10 epochs"));
  CHECK(run.shows("by the weights after update 40"));
  const std::string before = run.page();
  fs::remove(run.run.report());
  run.log.end(ExitCode::ok);  // nothing is new
  CHECK_FALSE(fs::exists(run.run.report()));
}

TEST_CASE("a run's report: after the last epoch, whatever it takes, and in its share of the time") {
  FakeRun run;
  run.epoch(0, true);
  const int64_t first = run.now;
  for (int64_t i = 1; i < 6; ++i) {
    CHECK(run.shows("1 of 10 epochs"));
    run.now += 20 * first;
    run.epoch(i, true);
  }
  CHECK(run.shows("6 of 10 epochs"));  // 100 times the first page's time
  run.epoch(9, true);
  CHECK(run.shows("7 of 10 epochs"));  // 7 were made
  CHECK(run.shows("by the weights after update 100"));
}

TEST_CASE("a run's report: scores that cannot be analysed leave the rest of the page") {
  FakeRun run;
  EpochReport report = run.report(0, true);
  report.raw->single_label = true;
  Scores scores = *report.raw->scores;
  scores.targets[1] = P;  // a second label
  report.raw->scores = std::make_shared<const Scores>(scores);
  run.log.epoch(std::move(report));
  CHECK(run.shows("Nothing about single pictures: "));
  CHECK(run.shows("1 of 10 epochs"));
  CHECK(run.shows("<section id=\"data\""));
}

TEST_CASE("a look at pictures ends in time, spread over the split, whatever their number") {
  std::atomic<int64_t> now{0};
  const auto clock = [&] { return 1e-3 * static_cast<double>(now); };
  Splits splits;
  const auto add = [&](auto& split) { split = std::make_unique<SlowDataset>(500, now); };
  add(splits.train);
  add(splits.val);
  const DataSummary all = summarize(splits, Config(), {.pictures = 40, .seconds = 100}, clock);
  CHECK(all.train.sizes.size() == 40);
  const DataSummary some = summarize(splits, Config(), {.pictures = 400, .seconds = 1}, clock);
  CHECK(some.train.sizes.size() >= 100);
  CHECK(some.train.sizes.size() <= 120);  // a few more, of other threads
  CHECK(some.val.labels.pictures == 500);
  CHECK(static_cast<const SlowDataset&>(*splits.val).highest > 480);
}

}  // namespace mld::test
