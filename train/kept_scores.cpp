#include "train/kept_scores.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <utility>

#include <fmt/core.h>

#include "core/error.h"
#include "data/file.h"
#include "data/safetensors.h"
#include "data/text.h"
#include "train/checkpoint.h"

namespace mld {
namespace {

constexpr const char *kFormat = "mldecoder-scores", *kVersion = "1";
// How labels are stored, by their place here: safetensors' readers know no signed bytes.
constexpr std::array kLabels = {Label::absent, Label::present, Label::unknown};

template <class T>
Tensor tensor_of(const Shape& shape, DType type, const std::vector<T>& values) {
  Tensor tensor(shape, type);
  std::ranges::copy(values, tensor.data<T>());
  return tensor;
}

template <class T>
std::vector<T> values_of(const SafeTensor& tensor) {
  std::vector<T> values(static_cast<size_t>(tensor.numel()));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// A scores file that is being read; messages begin with its name.
class ScoresFile {
 public:
  explicit ScoresFile(const std::filesystem::path& path)
      : file_(path), name_(printable(path.native())) {}

  KeptScores read() const {
    check(text("format") == kFormat, "holds no scores");
    check(text("format_version") == kVersion, "format_version {}, but this program reads {}",
          printable(text("format_version")), kVersion);
    KeptScores kept;
    kept.weights = {number("step"), text("weights")};
    check(kept.weights.kind == "raw" || kept.weights.kind == "ema",
          "weights \"{}\", expected raw or ema", printable(kept.weights.kind));
    read_arrays(kept.scores);
    kept.scores.partial = number("partial") != 0;
    kept.scores.fingerprint = static_cast<uint64_t>(number("fingerprint", 16));
    kept.scores.split_size = number("split_size");
    check_samples(kept.scores);
    return kept;
  }

 private:
  void read_arrays(Scores& scores) const {
    const SafeTensor &values = file_.at("scores"), &targets = file_.at("targets"),
                     &samples = file_.at("samples");
    check(values.dtype == "F32" && values.shape.size() == 2 && values.numel() > 0 &&
              targets.dtype == "U8" && targets.shape == values.shape && samples.dtype == "I64" &&
              samples.shape == std::vector<int64_t>{values.shape[0]},
          "expected scores F32 [N, K], targets U8 [N, K] and samples I64 [N]");
    scores.classes = values.shape[1];
    scores.scores = values_of<float>(values);
    for (size_t i = 0; i < scores.scores.size(); ++i) {  // NaN is not in [0, 1] either
      check(scores.scores[i] >= 0 && scores.scores[i] <= 1,
            "class {} of row {} has the score {}, not one from 0 to 1",
            static_cast<int64_t>(i) % scores.classes, static_cast<int64_t>(i) / scores.classes,
            scores.scores[i]);
    }
    scores.targets.reserve(scores.scores.size());
    for (const uint8_t label : targets.bytes) {
      check(label < kLabels.size(), "a target is {}, expected 0, 1 or 2", label);
      scores.targets.push_back(kLabels[label]);
    }
    scores.indices = values_of<int64_t>(samples);
  }

  void check_samples(const Scores& scores) const {
    int64_t before = -1;
    for (const int64_t sample : scores.indices) {
      check(sample > before && sample < scores.split_size,
            "sample {} after {}, expected ascending ones below {}", sample, before,
            scores.split_size);
      before = sample;
    }
  }

  const std::string& text(const char* key) const {
    const auto found = file_.metadata().find(key);
    check(found != file_.metadata().end(), "metadata lack \"{}\"", key);
    return found->second;
  }
  int64_t number(const char* key, int base = 10) const {
    const std::string& word = text(key);
    uint64_t value = 0;
    const char* end = word.data() + word.size();
    const auto result = std::from_chars(word.data(), end, value, base);
    check(result.ec == std::errc() && result.ptr == end &&
              (base == 16 || value <= uint64_t{INT64_MAX}),
          "\"{}\" is no number", key);
    return static_cast<int64_t>(value);
  }
  template <class... Args>
  void check(bool right, fmt::format_string<Args...> what, Args&&... args) const {
    if (!right) {
      fail<DataError>("{}: {}; mlinfer eval --keep-scores writes it again", name_,
                      fmt::format(what, std::forward<Args>(args)...));
    }
  }

  SafeTensorsFile file_;
  std::string name_;
};

}  // namespace

int64_t score_bytes(int64_t samples, int64_t classes) {
  constexpr int64_t kSample = sizeof(int64_t);
  return samples * (classes * Scores::kBytes + kSample);
}

ScoredWeights scored_weights(const CheckpointInfo& info) {
  const auto found = info.metrics.find("step");
  const double step = found == info.metrics.end() ? 0 : found->second;
  return {step > 0 && step < 9e15 ? static_cast<int64_t>(step) : 0, info.weights};
}

void save_scores(const std::filesystem::path& path, const Scores& scores,
                 const ScoredWeights& weights) {
  const auto samples = static_cast<int64_t>(scores.indices.size());
  const Shape shape{samples, scores.classes};
  Tensor targets(shape, DType::u8);
  std::ranges::transform(scores.targets, targets.data<uint8_t>(), [](Label label) {
    return static_cast<uint8_t>(std::ranges::find(kLabels, label) - kLabels.begin());
  });
  const std::map<std::string, std::string> metadata = {
      {"format", kFormat},
      {"format_version", kVersion},
      {"step", fmt::format("{}", weights.step)},
      {"weights", weights.kind},
      {"partial", scores.partial ? "1" : "0"},
      {"split_size", fmt::format("{}", scores.split_size)},
      {"fingerprint", fmt::format("{:016x}", scores.fingerprint)}};
  const std::vector<std::pair<std::string, Tensor>> tensors = {
      {"scores", tensor_of(shape, DType::f32, scores.scores)},
      {"targets", targets},
      {"samples", tensor_of({samples}, DType::i64, scores.indices)}};
  write_file_atomically(
      path, [&](const ByteSink& sink) { write_safetensors(tensors, metadata, sink); });
}

KeptScores load_scores(const std::filesystem::path& path) { return ScoresFile(path).read(); }

}  // namespace mld
