#include "app/init.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "app/config_file.h"
#include "app/init_report.h"
#include "app/init_settings.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "data/file.h"
#include "data/formats/format.h"
#include "data/text.h"
#include "data/val_fraction.h"
#include "train/memory.h"
#include "train/run_data.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMany = 1000;  // pictures: looking at more takes some seconds

// ---- where the files go -------------------------------------------------------------------------

struct Files {
  fs::path config, val_list;
  fs::path folder() const { return config.parent_path(); }
};

// A free name in the current folder after the data's folder, or the user's choice.
Files files_of(const InitCommand& command, const fs::path& root) {
  const auto with = [](const fs::path& config) {
    return Files{config, config.parent_path() / (config.stem().native() + "_val.txt")};
  };
  if (!command.out.empty()) {
    const Files files = with(fs::absolute(command.out).lexically_normal());
    for (const fs::path& file : {files.config, files.val_list}) {
      require<UsageError>(!fs::exists(file), "init: {} exists; remove it, or choose another --out",
                          printable(file.native()));
    }
    require<UsageError>(fs::is_directory(files.folder()), "init: {}: no such folder (--out)",
                        printable(files.folder().native()));
    return files;
  }
  const std::string name = root.filename().native();
  const std::string stem = name.empty() || !is_utf8(name) ? "data" : name;
  for (int number = 1;; ++number) {
    const Files files = with(fs::current_path() /
                             (stem + (number > 1 ? fmt::format("-{}", number) : "") + ".toml"));
    if (!fs::exists(files.config) && !fs::exists(files.val_list)) {
      return files;
    }
  }
}

// Removes the list again unless the config that names it has been written.
class ValList {
 public:
  void write(const fs::path& file, const std::string& text) {
    write_file_atomically(file, text);
    file_ = file;
  }
  void keep() { file_.clear(); }
  ~ValList() {
    std::error_code error;
    if (!file_.empty()) {
      fs::remove(file_, error);
    }
  }

 private:
  fs::path file_;
};

// ---- what the data are --------------------------------------------------------------------------

bool one_label_each(const Dataset& data) {
  if (data.unlisted() != LabelEntry{.label = Label::absent}) {
    return false;
  }
  for (int64_t i = 0; i < data.size(); ++i) {
    if (std::ranges::count(data.labels(i), Label::present, &LabelEntry::label) != 1 ||
        std::ranges::count(data.labels(i), Label::unknown, &LabelEntry::label) > 0) {
      return false;
    }
  }
  return true;
}

// The median of the shorter sides of a few pictures; 0 if none can be read.
int64_t median_side(const Dataset& data) {
  constexpr int64_t kLookedAt = 64;
  std::vector<int> sides;
  const int64_t step = std::max<int64_t>(1, data.size() / kLookedAt);
  for (int64_t i = 0; i < data.size(); i += step) {
    try {
      const Image image = data.load(i);
      sides.push_back(std::min(image.width, image.height));
    } catch (const DataError&) {  // reported by inspect()
    }
  }
  const auto middle = sides.begin() + static_cast<std::ptrdiff_t>(sides.size() / 2);
  std::nth_element(sides.begin(), middle, sides.end());
  return sides.empty() ? 0 : *middle;
}

DataFacts facts_of(const Dataset& train, const Dataset& val, const std::string& format) {
  DataFacts facts;
  facts.pictures = train.size();
  facts.classes = static_cast<int64_t>(train.class_names().size());
  facts.side = median_side(train);
  // Pictures of objects happen to show one kind; more kinds may come.
  const bool of_objects = format == coco_format.name || format == voc_format.name;
  facts.one_label = !of_objects && facts.classes > 1 && one_label_each(train) &&
                    one_label_each(val);
  return facts;
}

// The sources of the chosen pictures, one a line; those that a line cannot hold stay in training.
std::string list_of(const Dataset& data, const std::vector<bool>& chosen) {
  std::string text;
  for (int64_t i = 0; i < data.size(); ++i) {
    const std::string source = chosen[static_cast<size_t>(i)] ? data.source(i) : "";
    if (source.find('\n') == std::string::npos && trimmed(source) == source && !source.empty()) {
      text += source + "\n";
    }
  }
  return text;
}

// A fifth, or a tenth of more than a thousand pictures; at most 10,000.
double val_part(int64_t pictures) {
  const double part = pictures < 1000 ? 0.2 : 0.1;
  return std::min(part, 1e4 / static_cast<double>(pictures));
}

// Skips as many bad pictures as there are, with some room.
void tolerate_bad(const DatasetReport& train, const DatasetReport& val, const Origins& given,
                  Config& config) {
  const auto part = [](const DatasetReport& report) {
    return static_cast<double>(report.bad.size()) / static_cast<double>(report.samples);
  };
  const double bad = std::max(part(train), part(val));
  if (bad > 0 && !given.contains("data.on_bad_image")) {
    config.loading.on_bad_image = OnBadImage::skip;
    config.loading.max_bad_fraction =
        std::max(config.loading.max_bad_fraction, std::min(1.0, std::ceil(2e3 * bad) / 1e3));
  }
}

// ---- the command --------------------------------------------------------------------------------

// The command line's settings, with the folder's place and its format.
LoadedConfig given_settings(const InitCommand& command, const fs::path& root) {
  std::vector<std::string> overrides = command.overrides;
  overrides.push_back("data.root=" + root.native());
  if (!command.from.empty()) {
    overrides.push_back("model.init=" + command.from);
  }
  LoadedConfig loaded = parse_config("", "mltrain init", overrides);
  loaded.config.preprocess.exif = loaded.origins.contains("data.exif")
                                      ? loaded.config.preprocess.exif : Exif::apply;
  loaded.config.data.format = format_of(data_options(loaded.config)).name;
  return loaded;
}

// If the data have no validation split, chooses one and writes its list.
void make_val(const LoadedConfig& loaded, const Files& files, ValList& list, Config& config) {
  const bool given = std::ranges::any_of(
      std::vector<std::string>{"data.val", "data.val_fraction", "data.val_list"},
      [&](const std::string& key) { return loaded.origins.contains(key); });
  DataOptions options = data_options(config);
  if (given) {
    return;
  }
  options.val_fraction = 0.5;  // any: CIFAR's val is its test split unless a part is asked for
  if (has_split(options, "val")) {
    return;
  }
  options.val_fraction = 0;
  const auto whole = open_dataset(options, "train");
  std::vector<bool> chosen;
  try {
    chosen = validation_part(*whole, val_part(whole->size()), options.seed);
  } catch (const DataError&) {
    fail<DataError>("init: {} are too few to leave some for validation; every class needs two or "
                    "more, or name a validation split: data.val=...",
                    counted(whole->size(), "picture"));
  }
  list.write(files.val_list, list_of(*whole, chosen));
  config.data.val_list = files.val_list.native();
}

// The test split, if there is one that fits the training split's classes.
std::unique_ptr<Dataset> open_test(const Config& config, const Splits& splits) {
  DataOptions options = data_options(config, splits.train->label_space());
  options.known_classes = options.label_space.names;
  try {
    return open_dataset(options, "test", Purpose::evaluation);
  } catch (const DataError&) {
    return nullptr;  // `mlinfer eval --split test` says why
  }
}

void print_model(const Config& config, const DataFacts& facts, Device device, size_t data_bytes,
                 const std::string& why) {
  const TrainingNeeds needs = training_needs(config, facts.classes, device, data_bytes);
  std::printf("model: %s + %s %s, %ld px; %ld epochs of %ld updates of %ld pictures; %.2f GiB of "
              "memory, %.2f GiB are free\n",
              config.model.backbone.c_str(), config.model.head.c_str(),
              config.init.init.empty()
                  ? "from scratch"
                  : fmt::format("from {}", printable(config.init.init)).c_str(),
              static_cast<long>(config.preprocess.image_size),
              static_cast<long>(config.train.epochs),
              static_cast<long>(facts.pictures / config.train.batch_size),
              static_cast<long>(config.train.batch_size),
              static_cast<double>(needs.on(device)) / 0x1p30,
              static_cast<double>(memory_pool(device).free_bytes()) / 0x1p30);
  if (!why.empty()) {
    std::printf("  made smaller: %s\n", why.c_str());
  }
}

// The config's text; reading it back gives the config.
std::string config_text(const Config& config, const Files& files, const DatasetReport& train,
                        const DatasetReport& val) {
  std::string text = fmt::format(
      "# Written by mltrain init for {}:\n# {} to train on, {} to validate with, {}.\n# Change "
      "what you like; mltrain --help-config lists all keys.\n",
      printable(config.data.root.native()), counted(train.samples, "picture"), val.samples,
      counted(static_cast<int64_t>(train.class_names.size()), "class"));
  text += settings_text(config, files.folder());
  parse_config(text, files.config.native());
  return text;
}

// A path as short as a user at this place would write it.
std::string short_path(const fs::path& path) {
  const fs::path below = path.lexically_relative(fs::current_path());
  return below.empty() || *below.begin() == ".." ? path.native() : below.native();
}

}  // namespace

ExitCode init_config(const InitCommand& command) {
  std::error_code missing;
  const fs::path there = fs::canonical(command.folder, missing);
  const fs::path root = missing ? fs::path(command.folder) : there;
  const LoadedConfig loaded = given_settings(command, root);
  Config config = loaded.config;
  const Files files = files_of(command, root);
  if (!loaded.origins.contains("name")) {
    config.name = files.config.stem().native();
  }
  const Device device = parse_device(config.device);
  ValList list;
  make_val(loaded, files, list, config);
  const Splits splits = open_splits(data_options(config));
  const DataFacts facts = facts_of(*splits.train, *splits.val, config.data.format);
  const std::string& weights = config.init.init;
  const auto start = weights.empty() ? std::nullopt : std::optional(starting_point(
                                           weights, splits.train->class_names()));
  choose_settings(facts, start, device, loaded.origins, config);
  if (const int64_t all = facts.pictures + splits.val->size(); all > kMany) {
    std::printf("looking at %s ...\n", counted(all, "picture").c_str());
    std::fflush(stdout);
  }
  const DatasetReport train = look_at(*splits.train);
  const DatasetReport val = look_at(*splits.val);
  tolerate_bad(train, val, loaded.origins, config);
  print_data(config, splits, open_test(config, splits).get(), train, val, root);
  const size_t data_bytes = open_run_data(config).bytes();
  const std::string why = fit_memory(facts, device, data_bytes, loaded.origins, config);
  print_model(config, facts, device, data_bytes, why);
  write_file_atomically(files.config, config_text(config, files, train, val));
  list.keep();
  std::printf("written: %s%s\nnext:\n", printable(short_path(files.config)).c_str(),
              config.data.val_list == files.val_list.native()
                  ? fmt::format(" and {}, a part of every class by seed {}",
                                printable(short_path(files.val_list)), config.seed).c_str()
                  : "");
  std::printf("  mltrain check %s    how long it will take\n  mltrain %s\n"
              "  mlinfer predict runs/%s PICTURE\n", printable(short_path(files.config)).c_str(),
              printable(short_path(files.config)).c_str(), printable(config.name).c_str());
  return ExitCode::ok;
}

}  // namespace mld
