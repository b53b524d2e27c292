// Configs as text: the resolved TOML and the differences that forbid resuming. Also the options for
// opening and loading data.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "data/text.h"
#include "train/config.h"
#include "train/config_keys.h"

namespace mld {

// An absolute path (data.train may be one) reduced to its name: the folders are this machine's.
static std::string without_place(const std::string& text) {
  return text.starts_with('/') ? text.substr(text.rfind('/') + 1) : text;
}

std::string to_toml(const Config& config, const Origins& origins, Keys keys) {
  constexpr size_t kCommentColumn = 40;
  std::string text;
  std::string_view section;
  for (const Key& key : config_keys()) {
    if (keys == Keys::portable && key.effect != Effect::results && key.effect != Effect::length) {
      continue;
    }
    if (key.section != section) {
      section = key.section;
      text += fmt::format("\n[{}]\n", section);
    }
    Value value = key.get(config);
    if (key.may_be_path && keys == Keys::portable) {
      value = without_place(std::get<std::string>(value));
    }
    std::string line = fmt::format("{} = {}", key.name, to_toml_value(value));
    if (keys == Keys::all) {
      const auto origin = origins.find(key.full_name());
      line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
      line += "# " + printable(origin == origins.end() ? kDefault : origin->second);
    }
    text += line + "\n";
  }
  return text;
}

std::vector<std::string> agree_for_resume(const Config& saved, const Config& given) {
  std::vector<std::string> differences;
  for (const Key& key : config_keys()) {
    const std::string was = to_toml_value(key.get(saved));
    const std::string is = to_toml_value(key.get(given));
    const bool lowered = key.effect == Effect::length && std::stoll(is) < std::stoll(was);
    if ((key.effect == Effect::results && was != is) || lowered) {
      differences.push_back(fmt::format("{}: the run has {}, given {}", key.full_name(),
                                        printable(was), printable(is)));
    }
  }
  return differences;
}

DataOptions data_options(const Config& config, LabelSpace label_space) {
  DataOptions options = config.data;
  options.decode = decode_options(config.preprocess, config.loading.max_pixels);
  options.image_size = config.preprocess.image_size;
  options.seed = static_cast<uint64_t>(config.seed);
  options.label_space = std::move(label_space);
  options.zero_shot = config.task == Task::zero_shot;
  return options;
}

LoaderOptions loader_options(const Config& config, Purpose purpose) {
  LoaderOptions options{.batch_size = config.train.batch_size,
                        .preprocess = config.preprocess,
                        .loading = config.loading,
                        .training = purpose == Purpose::training,
                        .drop_last = purpose == Purpose::training,
                        .seed = static_cast<uint64_t>(config.seed),
                        .augment = std::nullopt};
  if (options.training) {
    options.augment = config.augment;
    options.unknown_weight = config.loss.unknown_weight;
  } else {
    options.preprocess = for_evaluation(config.preprocess);
  }
  return options;
}

}  // namespace mld
