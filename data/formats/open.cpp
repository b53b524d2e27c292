#include "data/formats/open.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "data/formats/class_division.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/split_warnings.h"
#include "data/text.h"
#include "data/val_fraction.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

// Which classes have a picture that shows them; empty if all have.
std::vector<bool> shown_classes(const Dataset& data) {
  std::vector<bool> shown(data.class_names().size());
  for (int64_t i = 0; i < data.size(); ++i) {
    for (const LabelEntry& entry : data.labels(i)) {
      shown[static_cast<size_t>(entry.column)] =
          shown[static_cast<size_t>(entry.column)] || entry.label == Label::present;
    }
  }
  return std::find(shown.begin(), shown.end(), false) == shown.end() ? std::vector<bool>() : shown;
}

std::unique_ptr<Dataset> open_split(const DataOptions& options, const std::string& split,
                                    Purpose purpose) {
  try {
    return format_of(options).open(options, split, purpose);
  } catch (const fs::filesystem_error& error) {  // no permission to list a folder
    fail<DataError>("{}: {}", printable(error.path1().native()), error.code().message());
  } catch (const NoSplit& error) {
    fail<NoSplit>("{}{}", printable(error.what()),
                  split == "val" && options.val.empty() && options.val_fraction == 0
                      ? "; or let data.val_fraction = 0.1 take a part of the training pictures"
                      : "");
  } catch (const DataError& error) {  // may contain a file name that is not UTF-8
    fail<DataError>("{}", printable(error.what()));
  }
}

// Whether val is taken from train. Finds out by trying to open val.
bool takes_part_of_train(const DataOptions& options, const std::string& split) {
  if (split == "test" || (options.val_fraction == 0 && options.val_list.empty())) {
    return false;
  }
  if (!options.val_list.empty()) {
    require<UsageError>(options.val.empty() && options.val_fraction == 0,
                        "data.val_list = \"{}\" says which pictures are for validation, and so "
                        "does data.{}; set one", printable(options.val_list),
                        options.val.empty() ? "val_fraction" : "val");
    return true;
  }
  require<UsageError>(0 < options.val_fraction && options.val_fraction < 1,
                      "data.val_fraction = {}: expected the part of the training pictures that "
                      "becomes val, a number between 0 and 1 such as 0.1", options.val_fraction);
  require<UsageError>(options.val.empty(),
                      "data.val = \"{}\" and data.val_fraction = {} contradict each other; set one",
                      printable(options.val), options.val_fraction);
  return !has_split(options, "val");
}

std::unique_ptr<Dataset> open_part_of_train(const DataOptions& options, const std::string& split,
                                            Purpose purpose) {
  DataOptions whole = options;
  whole.train_size = 0;
  std::unique_ptr<Dataset> data = open_split(whole, "train", purpose);
  const bool listed = !options.val_list.empty();
  const std::vector<bool> chosen =
      listed ? listed_part(*data, options.val_list)
             : validation_part(*data, options.val_fraction, options.seed);
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < data->size(); ++i) {
    if (chosen[static_cast<size_t>(i)] == (split == "val")) {
      samples.push_back(i);
    }
  }
  data->add_note(fmt::format("data.{}: {} has {} of {}",
                             listed ? fmt::format("val_list = \"{}\"", printable(options.val_list))
                                    : fmt::format("val_fraction = {}", options.val_fraction),
                             split, samples.size(), counted(data->size(), "picture")));
  const auto limit = static_cast<size_t>(split_limit(options, split));
  if (limit > 0 && samples.size() > limit) {
    data->add_note(fmt::format("only the first {} of {} pictures are used", limit, samples.size()));
    samples.resize(limit);
  }
  return subset(std::move(data), std::move(samples));
}

// Names the options that were set but say nothing about this data.
void add_notes_of_unused(const DataOptions& options, const std::string& split, bool part,
                         Dataset& data) {
  const DataFormat& format = format_of(options);
  const bool csv = &format == &csv_format || &format == &nus_wide_format;
  const std::pair<const char*, bool> unused[] = {
      {"data.label_separator", options.label_separator != "auto" && !csv},
      {"data.columns", options.columns != "auto" && !csv},
      {"data.difficult", options.difficult != Difficult::keep && &format != &voc_format}};
  for (const auto& [key, is_unused] : unused) {
    if (is_unused && (split == "train" || options.known_classes.empty())) {  // else train says so
      data.add_note(fmt::format("{} is not used: the data's format is {}", key, format.name));
    }
  }
  if (options.val_fraction > 0 && split == "val" && !part) {
    data.add_note(fmt::format("data.val_fraction = {} is not used: there is a val split",
                              options.val_fraction));
  }
}

// The classes with present or unknown labels in a data set that `names` lacks.
std::vector<std::string> further_classes(const Dataset& data,
                                         const std::vector<std::string>& names) {
  const std::set<std::string_view> known(names.begin(), names.end());
  std::set<int32_t> further;
  for (int64_t i = 0; i < data.size(); ++i) {
    for (const LabelEntry& entry : data.labels(i)) {
      if (!known.contains(data.class_names()[static_cast<size_t>(entry.column)])) {
        further.insert(entry.column);
      }
    }
  }
  std::vector<std::string> result;
  for (const int32_t column : further) {
    result.push_back(data.class_names()[static_cast<size_t>(column)]);
  }
  return result;
}

// A split with the data's classes, or those of options.label_space.
std::unique_ptr<Dataset> open_undivided(const DataOptions& options, const std::string& split,
                                        Purpose purpose) {
  require<UsageError>(options.train_size >= 0 && options.val_size >= 0,
                      "data.train_size and data.val_size must not be negative, got {} and {}",
                      options.train_size, options.val_size);
  split_option(options, split);  // throws for an unknown split
  const bool part = takes_part_of_train(options, split);
  std::unique_ptr<Dataset> data = part ? open_part_of_train(options, split, purpose)
                                       : open_split(options, split, purpose);
  add_notes_of_unused(options, split, part, *data);
  if (purpose == Purpose::training) {
    data->set_seen(shown_classes(*data));
  }
  return data;
}

// Gives train and val one label space.
void share_classes(const DataOptions& options, Splits& splits) {
  DataOptions shared = options;
  shared.label_space.names = shared.known_classes = splits.train->class_names();
  const std::vector<std::string> further =
      further_classes(*splits.val, shared.label_space.names);
  if (!further.empty()) {
    shared.label_space.names.insert(shared.label_space.names.end(), further.begin(), further.end());
    splits.train = open_undivided(shared, "train", Purpose::training);
  }
  shared.label_space = splits.train->label_space();
  if (splits.val->class_names() != shared.label_space.names) {
    splits.val = open_undivided(shared, "val", Purpose::evaluation);
  }
  splits.val->set_seen(shared.label_space.seen);
}

// Marks in val's own label space the classes that training shows.
void mark_seen(const LabelSpace& train, Dataset& val) {
  std::set<std::string_view> known;
  for (size_t k = 0; k < train.names.size(); ++k) {
    if (train.was_seen(k)) {
      known.insert(train.names[k]);
    }
  }
  std::vector<bool> seen;
  for (const std::string& name : val.class_names()) {
    seen.push_back(known.contains(name));
  }
  val.set_seen(std::move(seen));
}

// Gives both label spaces the vectors of the file, or of the format.
void add_vectors(const DataOptions& options, Splits& splits) {
  const DataFormat& format = format_of(options);
  std::vector<std::string> names = splits.val->class_names();
  const std::set<std::string> known(names.begin(), names.end());
  std::ranges::copy_if(splits.train->class_names(), std::back_inserter(names),
                       [&](const std::string& name) { return !known.contains(name); });
  WordVectors all{.names = names, .values = {}};
  if (!options.vectors.empty()) {
    require_distinct_words(names, "the data");
    all = read_word_vectors(options.vectors, names, options.vector_norm, options.vectors_progress);
  } else if (format.vectors != nullptr) {
    all.values = format.vectors(names);
  } else {
    return;
  }
  for (Dataset* split : {splits.train.get(), splits.val.get()}) {
    split->set_vectors(all.of(split->class_names()));
  }
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DataOptions& options, const std::string& split,
                                      Purpose purpose) {
  if (!options.zero_shot || options.label_space.names.empty()) {
    return open_undivided(options, split, purpose);
  }
  DataOptions all = options;
  all.label_space = {};
  std::unique_ptr<Dataset> data = open_undivided(all, split, purpose);
  require_spelled_alike(data->class_names(), options.label_space);
  return with_classes(std::move(data), options.label_space);
}

bool has_split(const DataOptions& options, const std::string& split) {
  try {
    open_split(options, split, Purpose::evaluation);
  } catch (const NoSplit&) {
    return false;
  }
  return true;
}

std::unique_ptr<Dataset> open_dataset(const DataOptions& options, const std::string& split) {
  return open_dataset(options, split,
                      split == "train" ? Purpose::training : Purpose::evaluation);
}

Splits open_splits(const DataOptions& options, ValClasses val_classes) {
  Splits splits;
  splits.train = open_undivided(options, "train", Purpose::training);
  DataOptions val = options;
  val.known_classes = splits.train->class_names();
  splits.val = open_undivided(val, "val", Purpose::evaluation);
  if (options.zero_shot) {
    share_classes(options, splits);
    divide_classes(options, splits);
  } else if (val_classes == ValClasses::own) {
    mark_seen(splits.train->label_space(), *splits.val);
  } else if (options.label_space.names.empty()) {
    share_classes(options, splits);
  }
  add_vectors(options, splits);
  std::ranges::move(split_warnings(*splits.train, *splits.val),
                    std::back_inserter(splits.warnings));
  return splits;
}

}  // namespace mld
