#include "train/training_state.h"

#include <string_view>

#include <fmt/ranges.h>

#include "core/error.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr const char* kField = "training_state";  // its version; no other file has it
constexpr std::string_view kVersion = "1";
constexpr const char *kSizes = "picture_sizes", *kThresholds = "thresholds";  // not in older files

// Calls field(name, member) for every field.
template <class State, class Field>
void each_field(State& state, Field&& field) {
  field("step", state.step);
  field("epoch", state.epoch);
  field("batch", state.batch);
  field("loss_sum", state.loss_sum);
  field("validated_step", state.validated_step);
  field("raw_metric", state.raw_metric);
  field("ema_metric", state.ema_metric);
  field("best_metric", state.best.metric);
  field("best_step", state.best.step);
  field("best_from", state.best.weights);
  field(kThresholds, state.thresholds);
  field("finished", state.finished);
  field("history", state.history);
  field("bad_train", state.bad_train);
  field("bad_val", state.bad_val);
  field("threads", state.threads);
  field("fingerprint", state.fingerprint);
  field(kSizes, state.picture_sizes);
  field("config", state.config);
}

// Read one field from its text.
struct FieldReader {
  const std::string& file;
  const char* key;

  void read(const std::string& text, std::string& field) const { field = text; }
  void read(std::string_view text, bool& field) const {
    int number = 0;
    read(text, number);
    field = number != 0;
  }
  template <class T>
  void read(std::string_view text, T& field) const {
    const std::optional<T> number = number_of<T>(text);
    require<DataError>(number.has_value(), "{}: field \"{}\" holds \"{}\", expected a number", file,
                       key, text);
    field = *number;
  }
  template <class T>
  void read(std::string_view rest, std::vector<T>& field) const {
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(' '), rest.size());
      read(rest.substr(0, end), field.emplace_back());
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
};

// Numbers have their shortest exact form.
template <class T>
std::string text_of(const T& field) {
  if constexpr (std::is_same_v<T, bool>) {
    return field ? "1" : "0";
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return fmt::format("{}", field);
  } else {
    return fmt::format("{}", fmt::join(field, " "));
  }
}

}  // namespace

std::map<std::string, std::string> to_metadata(const TrainingState& state) {
  std::map<std::string, std::string> metadata = {{kField, std::string(kVersion)}};
  each_field(state, [&](const char* key, const auto& field) { metadata[key] = text_of(field); });
  return metadata;
}

TrainingState from_metadata(const std::map<std::string, std::string>& metadata,
                            const std::string& file) {
  const auto text = [&](const std::string& key) -> const std::string& {
    const auto found = metadata.find(key);
    require<DataError>(found != metadata.end(),
                       "{}: no field \"{}\" in its metadata; it is not a training state", file,
                       key);
    return found->second;
  };
  require<DataError>(text(kField) == kVersion,
                     "{}: training state version {}, this program reads {}", file, text(kField),
                     kVersion);
  TrainingState state;
  each_field(state, [&](const char* key, auto& field) {
    if ((key != kSizes && key != kThresholds) || metadata.contains(key)) {
      FieldReader{file, key}.read(text(key), field);
    }
  });
  return state;
}

bool is_training_state(const std::map<std::string, std::string>& metadata) {
  return metadata.contains(kField);
}

}  // namespace mld
