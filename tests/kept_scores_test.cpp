// The scores that a run keeps: written as they are, and files that are not as we write them.
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "data/safetensors.h"
#include "tests/data_files.h"
#include "train/kept_scores.h"
#include "train/log_files.h"

namespace mld::test {
namespace {

constexpr Label P = Label::present, A = Label::absent, U = Label::unknown;

// Three of five pictures, two classes.
Scores three() {
  return {.scores = {0, 1, 0.25f, 0.5f, 0.75f, 1e-30f}, .targets = {P, A, U, P, A, A},
          .indices = {0, 2, 4}, .classes = 2, .partial = true, .split_size = 5,
          .fingerprint = 0xFEDCBA9876543210};
}

// A file as save_scores() writes it, changed.
struct Parts {
  std::map<std::string, std::string> metadata = {
      {"format", "mldecoder-scores"}, {"format_version", "1"}, {"step", "7"}, {"weights", "ema"},
      {"partial", "0"}, {"split_size", "5"}, {"fingerprint", "00ff"}};
  Tensor scores = Tensor::from({2, 2}, std::vector<float>{0, 1, 0.25f, 0.5f});
  Tensor targets = Tensor::zeros({2, 2}, DType::u8);
  Tensor samples = Tensor::zeros({2}, DType::i64);

  Parts() { samples.data<int64_t>()[1] = 4; }
  std::vector<uint8_t> bytes() const {
    return to_safetensors({{"scores", scores}, {"targets", targets}, {"samples", samples}},
                          metadata);
  }
};

// What reading the parts says.
std::string problem_of(const Parts& parts) {
  const TemporaryFolder folder;
  const std::vector<uint8_t> bytes = parts.bytes();
  folder.write("s", std::string(bytes.begin(), bytes.end()));
  return message_of<DataError>([&] { load_scores(folder.path() / "s"); }, folder.path());
}

Parts with(const char* key, const char* value) {
  Parts parts;
  parts.metadata[key] = value;
  return parts;
}

EpochReport improved(double map, std::shared_ptr<const Scores> scores) {
  EpochReport report{.epoch = 0, .epochs = 2, .step = 30, .metric = "mAP"};
  report.raw = Evaluation();
  report.average = Evaluation();
  report.average->present.percent = map;
  report.average->scores = std::move(scores);
  report.improved = report.average_is_better = true;
  return report;
}

}  // namespace

TEST_CASE("scores are kept as they are; equal ones give equal bytes") {
  const TemporaryFolder folder;
  const Scores scores = three();
  save_scores(folder.path() / "a", scores, {1234567890123, "ema"});
  save_scores(folder.path() / "b", scores, {1234567890123, "ema"});
  CHECK(read_file(folder.path() / "a") == read_file(folder.path() / "b"));
  const KeptScores kept = load_scores(folder.path() / "a");
  CHECK(kept.weights == ScoredWeights{1234567890123, "ema"});
  CHECK(kept.scores.scores == scores.scores);
  CHECK(kept.scores.targets == scores.targets);
  CHECK(kept.scores.indices == scores.indices);
  CHECK(kept.scores.classes == 2);
  CHECK(kept.scores.partial);
  CHECK(kept.scores.split_size == 5);
  CHECK(kept.scores.fingerprint == scores.fingerprint);
  CHECK(static_cast<int64_t>(fs::file_size(folder.path() / "a")) < score_bytes(3, 2) + 1000);
}

TEST_CASE("files of scores that are not as we write them") {
  const std::string end = "; mlinfer eval --keep-scores writes it again";
  CHECK(problem_of({}) == "no error");
  CHECK(problem_of(with("format", "mldecoder")) == "ROOT/s: holds no scores" + end);
  CHECK(problem_of(with("format_version", "2")) ==
        "ROOT/s: format_version 2, but this program reads 1" + end);
  for (const char* step : {"", "-1", "1.5", "7 ", "18446744073709551615", "99999999999999999999"}) {
    CAPTURE(step);
    CHECK(problem_of(with("step", step)) == "ROOT/s: \"step\" is no number" + end);
  }
  CHECK(problem_of(with("fingerprint", "xyz")) == "ROOT/s: \"fingerprint\" is no number" + end);
  CHECK(problem_of(with("weights", "\x1b")) ==
        "ROOT/s: weights \"\\x1b\", expected raw or ema" + end);
  Parts none;
  none.metadata.erase("split_size");
  CHECK(problem_of(none) == "ROOT/s: metadata lack \"split_size\"" + end);

  const std::string shapes =
      "ROOT/s: expected scores F32 [N, K], targets U8 [N, K] and samples I64 [N]" + end;
  Parts parts;
  parts.scores = Tensor::zeros({2, 3});
  CHECK(problem_of(parts) == shapes);
  parts = {};
  parts.scores = Tensor::zeros({4});
  CHECK(problem_of(parts) == shapes);
  parts = {};
  parts.targets = Tensor::zeros({2, 2}, DType::i32);
  CHECK(problem_of(parts) == shapes);
  parts = {};
  parts.samples = Tensor::zeros({3}, DType::i64);
  CHECK(problem_of(parts) == shapes);

  for (const float bad : {NAN, INFINITY, -0.001f, 1.001f}) {
    parts = {};
    parts.scores.data<float>()[3] = bad;
    CHECK(problem_of(parts).starts_with("ROOT/s: class 1 of row 1 has the score "));
  }
  parts = {};
  parts.targets.data<uint8_t>()[0] = 3;
  CHECK(problem_of(parts) == "ROOT/s: a target is 3, expected 0, 1 or 2" + end);
  for (const int64_t sample : {int64_t{5}, int64_t{0}, int64_t{-1}, INT64_MAX}) {  // after a 0
    parts = {};
    parts.samples.data<int64_t>()[1] = sample;
    CHECK(problem_of(parts) == fmt::format("ROOT/s: sample {} after 0, expected ascending ones "
                                           "below 5", sample) + end);
  }
  const TemporaryFolder folder;
  folder.write("s", "no safetensors");
  CHECK_THROWS_AS(load_scores(folder.path() / "s"), DataError);
  CHECK_THROWS_AS(load_scores(folder.path() / "missing"), DataError);
}

TEST_CASE("a run's log keeps the scores of the best weights, and none of earlier ones") {
  const TemporaryFolder folder;
  const RunFolder run{folder.path()};
  RunLog log;
  log.open(run, 0);
  log.epoch(improved(40, std::make_shared<const Scores>(three())));
  const KeptScores kept = load_scores(run.scores("val"));
  CHECK(kept.scores.scores == three().scores);
  CHECK(kept.weights == ScoredWeights{30, "ema"});
  EpochReport worse = improved(30, nullptr);
  worse.improved = false;
  log.epoch(worse);
  CHECK(fs::exists(run.scores("val")));
  log.epoch(improved(50, nullptr));  // too many to be kept
  CHECK_FALSE(fs::exists(run.scores("val")));
}

TEST_CASE("a run that is resumed from before its best epoch keeps nothing of that epoch") {
  const TemporaryFolder folder;
  const RunFolder run{folder.path()};
  const auto kept = [&] {
    return fs::exists(run.metrics()) && fs::exists(run.scores("val")) &&
           fs::exists(run.per_class());
  };
  {
    RunLog log;
    log.open(run, 0);
    log.epoch(improved(40, std::make_shared<const Scores>(three())));
  }
  CHECK(read_file(run.metrics()).find("\"weights\": \"ema\"") != std::string::npos);
  RunLog().open(run, 30);
  CHECK(kept());
  folder.write("train/scores.safetensors", "of train");
  RunLog().open(run, 20);
  CHECK_FALSE(kept());
  CHECK_FALSE(fs::exists(run.metrics()));
  CHECK_FALSE(fs::exists(run.scores("val")));
  CHECK(fs::exists(run.scores("train")));
  folder.write("val/metrics.json", "{\"samples\": 3}");  // does not say
  RunLog().open(run, 20);
  CHECK(fs::exists(run.metrics()));
}

TEST_CASE("how many scores are kept") {
  CHECK(score_bytes(10, 4) == 10 * (4 * 5 + 8));
  CHECK(may_keep_scores(50'000, 1000));  // ImageNet's val
  CHECK(may_keep_scores(40'137, 80));    // COCO's
  CHECK_FALSE(may_keep_scores(1'700'000, 600));
}

}  // namespace mld::test
