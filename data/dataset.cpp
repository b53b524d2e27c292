#include "data/dataset.h"

#include <algorithm>
#include <bit>
#include <set>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/formats/open.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

// FNV-1a, 64 bits.
class Hash {
 public:
  void byte(uint8_t value) { state_ = (state_ ^ value) * 0x100000001b3u; }
  void number(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) {
      byte(static_cast<uint8_t>(value >> shift));
    }
  }
  // With the length, so that "ab", "c" and "a", "bc" differ.
  void text(const std::string& value) {
    number(value.size());
    for (const char c : value) {
      byte(static_cast<uint8_t>(c));
    }
  }
  uint64_t value() const { return state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

bool has_file(const fs::path& folder, const std::string& ending, const std::string& start = "") {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return false;
  }
  for (const fs::path& path : sorted_entries(folder)) {
    const std::string name = path.filename().native();
    if (name.starts_with(start) && name.ends_with(ending)) {
      return true;
    }
  }
  return false;
}

bool is_voc(const fs::path& folder) {
  return fs::is_directory(folder / "Annotations") && fs::is_directory(folder / "JPEGImages");
}

bool looks_like_voc(const fs::path& root) {
  if (is_voc(root)) {
    return true;
  }
  for (const fs::path& parent : {root, root / "VOCdevkit"}) {
    if (fs::is_directory(parent)) {
      for (const fs::path& folder : sorted_entries(parent)) {
        if (folder.filename().native().starts_with("VOC") && is_voc(folder)) {
          return true;
        }
      }
    }
  }
  return false;
}

// A folder below `folder` holds pictures (or a folder of pictures).
bool has_class_folders(const fs::path& folder) {
  for (const fs::path& entry : sorted_entries(folder)) {
    std::error_code error;
    if (fs::is_directory(entry, error) && !entry.filename().native().starts_with('.')) {
      for (const fs::path& inner : sorted_entries(entry)) {
        if (is_picture_name(inner.filename().native())) {
          return true;
        }
      }
    }
  }
  return false;
}

void require_root(const DataOptions& options) {
  require<DataError>(!options.root.empty(),
                     "data.root is empty, expected the folder of the data; for the built-in data "
                     "set use data.format = \"shapes\"");
  const std::string root = printable(options.root.native());
  std::error_code error;
  require<DataError>(fs::exists(options.root, error), "{}: no such folder (data.root)", root);
  require<DataError>(fs::is_directory(options.root, error), "{}: not a folder (data.root)", root);
  require<DataError>(!sorted_entries(options.root).empty(), "{}: the folder is empty (data.root)",
                     root);
}

}  // namespace

uint64_t fingerprint(const Dataset& data) {
  Hash hash;
  hash.number(data.class_names().size());
  for (const std::string& name : data.class_names()) {
    hash.text(name);
  }
  hash.number(static_cast<uint64_t>(data.size()));
  for (int64_t i = 0; i < data.size(); ++i) {
    hash.text(data.source(i));
    for (const LabelEntry& entry : data.labels(i)) {
      hash.number(static_cast<uint64_t>(entry.column));
      hash.byte(static_cast<uint8_t>(entry.label));
      if (entry.weight != 1) {  // so that data without weights keeps the value it always had
        hash.number(std::bit_cast<uint32_t>(entry.weight));
      }
    }
  }
  return hash.value();
}

const std::vector<std::string>& data_format_names() {
  static const std::vector<std::string> names = {"auto", "shapes", "coco", "voc",
                                                 "csv",  "folder", "cifar"};
  return names;
}

DataFormat data_format(std::string_view name) {
  const std::vector<std::string>& names = data_format_names();
  const auto found = std::find(names.begin(), names.end(), name);
  require<UsageError>(found != names.end(), "data.format '{}' is unknown{}; expected one of {}",
                      printable(name), did_you_mean(name, names), name_list(names, names.size()));
  return static_cast<DataFormat>(found - names.begin());
}

DataFormat detect_format(const DataOptions& options) {
  require_root(options);
  const fs::path& root = options.root;
  const std::string ending = fs::path(options.train).extension().native();
  if (ending == ".json" || has_file(root / "annotations", ".json") ||
      has_file(root / "train", "_annotations.coco.json")) {
    return DataFormat::coco;
  }
  if (ending == ".csv") {
    return DataFormat::csv;
  }
  if (looks_like_voc(root)) {
    return DataFormat::voc;
  }
  if (has_file(root, "data.csv") || has_file(root, "train.csv") || has_file(root, "val.csv")) {
    return DataFormat::csv;
  }
  for (const char* below : {"", "cifar-10-batches-bin", "cifar-100-binary"}) {
    const fs::path folder = *below == '\0' ? root : root / below;
    if (fs::exists(folder / "batches.meta.txt") || fs::exists(folder / "fine_label_names.txt")) {
      return DataFormat::cifar;
    }
  }
  for (const char* below : {"train", "val", "test"}) {
    if (fs::is_directory(root / below) && has_class_folders(root / below)) {
      return DataFormat::folder;
    }
  }
  if (has_class_folders(root)) {
    return DataFormat::folder;
  }
  fail<DataError>("{}: cannot tell the data's format: looked for annotations/*.json (coco), "
                  "Annotations and JPEGImages (voc), data.csv or train.csv (csv), batches.meta.txt "
                  "or fine_label_names.txt (cifar) and folders of pictures (folder); set "
                  "data.format",
                  printable(root.native()));
}

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

std::unique_ptr<Dataset> open_folder_of_data(const DataOptions& options, const std::string& split,
                                             Purpose purpose) {
  require_root(options);
  const bool detect = options.format == DataFormat::auto_detect;
  switch (detect ? detect_format(options) : options.format) {
    case DataFormat::coco: return open_coco(options, split, purpose);
    case DataFormat::voc: return open_voc(options, split, purpose);
    case DataFormat::csv: return open_csv(options, split, purpose);
    case DataFormat::cifar: return open_cifar(options, split, purpose);
    default: return open_folder(options, split, purpose);
  }
}

std::unique_ptr<Dataset> open_split(const DataOptions& options, const std::string& split,
                                    Purpose purpose) {
  if (options.format == DataFormat::shapes) {
    return open_shapes(options, split, purpose);
  }
  try {
    return open_folder_of_data(options, split, purpose);
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
