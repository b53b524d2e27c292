#include "train/training_state.h"

#include <charconv>
#include <string_view>

#include <fmt/ranges.h>

#include "core/error.h"

namespace mld {
namespace {

constexpr const char* kField = "training_state";  // its version; no other file has it
constexpr std::string_view kVersion = "1";

class Fields {
 public:
  Fields(const std::map<std::string, std::string>& metadata, const std::string& file)
      : metadata_(metadata), file_(file) {}

  bool has(const std::string& key) const { return metadata_.contains(key); }
  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find(key);
    require<DataError>(found != metadata_.end(),
                       "{}: no field \"{}\" in its metadata; it is not a training state", file_,
                       key);
    return found->second;
  }
  template <class T>
  T number(const std::string& key) const {
    return parse<T>(text(key), key);
  }
  template <class T>
  std::vector<T> list(const std::string& key) const {
    std::string_view rest = text(key);
    std::vector<T> values;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      values.push_back(parse<T>(rest.substr(0, end), key));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return values;
  }

 private:
  template <class T>
  T parse(std::string_view text, const std::string& key) const {
    T value{};
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    require<DataError>(result.ec == std::errc{} && result.ptr == text.data() + text.size(),
                       "{}: field \"{}\" holds \"{}\", expected a number", file_, key, text);
    return value;
  }

  const std::map<std::string, std::string>& metadata_;
  const std::string& file_;
};

}  // namespace

std::map<std::string, std::string> to_metadata(const TrainingState& state) {
  return {{kField, std::string(kVersion)},
          {"step", std::to_string(state.step)},
          {"epoch", std::to_string(state.epoch)},
          {"batch", std::to_string(state.batch)},
          {"loss_sum", fmt::format("{}", state.loss_sum)},
          {"validated_step", std::to_string(state.validated_step)},
          {"raw_metric", fmt::format("{}", state.raw_metric)},
          {"ema_metric", fmt::format("{}", state.ema_metric)},
          {"best_metric", fmt::format("{}", state.best.metric)},
          {"best_step", std::to_string(state.best.step)},
          {"best_from", state.best.weights},
          {"finished", state.finished ? "1" : "0"},
          {"history", fmt::format("{}", fmt::join(state.history, " "))},  // shortest exact form
          {"bad_train", fmt::format("{}", fmt::join(state.bad_train, " "))},
          {"bad_val", fmt::format("{}", fmt::join(state.bad_val, " "))},
          {"threads", std::to_string(state.threads)},
          {"fingerprint", state.fingerprint},
          {"picture_sizes", state.picture_sizes},
          {"config", state.config}};
}

TrainingState from_metadata(const std::map<std::string, std::string>& metadata,
                            const std::string& file) {
  const Fields fields(metadata, file);
  const std::string& version = fields.text(kField);
  require<DataError>(version == kVersion, "{}: training state version {}, this program reads {}",
                     file, version, kVersion);
  return {.step = fields.number<int64_t>("step"),
          .epoch = fields.number<int64_t>("epoch"),
          .batch = fields.number<int64_t>("batch"),
          .loss_sum = fields.number<double>("loss_sum"),
          .validated_step = fields.number<int64_t>("validated_step"),
          .raw_metric = fields.number<double>("raw_metric"),
          .ema_metric = fields.number<double>("ema_metric"),
          .best = {.metric = fields.number<double>("best_metric"),
                   .step = fields.number<int64_t>("best_step"),
                   .weights = fields.text("best_from")},
          .finished = fields.number<int>("finished") != 0,
          .history = fields.list<double>("history"),
          .bad_train = fields.list<int64_t>("bad_train"),
          .bad_val = fields.list<int64_t>("bad_val"),
          .threads = fields.number<int>("threads"),
          .fingerprint = fields.text("fingerprint"),
          .picture_sizes = fields.has("picture_sizes") ? fields.text("picture_sizes") : "",
          .config = fields.text("config")};
}

bool is_training_state(const std::map<std::string, std::string>& metadata) {
  return metadata.contains(kField);
}

}  // namespace mld
