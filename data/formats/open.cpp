#include "data/formats/open.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

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
  } catch (const fs::filesystem_error& error) {  // a folder we may not look into
    fail<DataError>("{}: {}", printable(error.path1().native()), error.code().message());
  } catch (const DataError& error) {  // may name a file by its raw bytes
    fail<DataError>("{}", printable(error.what()));
  }
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const DataOptions& options, const std::string& split,
                                      Purpose purpose) {
  require<UsageError>(options.train_size >= 0 && options.val_size >= 0,
                      "data.train_size and data.val_size must not be negative, got {} and {}",
                      options.train_size, options.val_size);
  split_option(options, split);  // a known split
  std::unique_ptr<Dataset> data = open_split(options, split, purpose);
  if (purpose == Purpose::training) {
    data->set_seen(shown_classes(*data));
  }
  return data;
}

std::unique_ptr<Dataset> open_dataset(const DataOptions& options, const std::string& split) {
  return open_dataset(options, split,
                      split == "train" ? Purpose::training : Purpose::evaluation);
}

Splits open_splits(const DataOptions& options, ValClasses val_classes) {
  Splits splits;
  splits.train = open_dataset(options, "train", Purpose::training);
  const LabelSpace& space = splits.train->label_space();
  DataOptions val = options;
  if (val_classes == ValClasses::of_train) {
    val.label_space = space;
  }
  splits.val = open_dataset(val, "val", Purpose::evaluation);
  if (val_classes == ValClasses::own) {
    std::set<std::string_view> known;
    for (size_t k = 0; k < space.names.size(); ++k) {
      if (space.was_seen(k)) {
        known.insert(space.names[k]);
      }
    }
    std::vector<bool> seen;
    for (const std::string& name : splits.val->class_names()) {
      seen.push_back(known.contains(name));
    }
    splits.val->set_seen(std::move(seen));
  }
  return splits;
}

}  // namespace mld
