// A split of Open Images: whichever of its pictures are there, with what people and, if wanted, a
// classifier said of them.
#include <algorithm>
#include <fstream>
#include <set>
#include <span>
#include <unordered_map>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/open_images.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostNamesBytes = int64_t{64} << 20;

std::string lower_name(const fs::path& path) { return lower_case(path.filename().native()); }

bool is_annotation(const fs::path& path) {
  std::error_code error;
  if (!lower_name(path).ends_with(".csv") || !fs::is_regular_file(path, error)) {
    return false;
  }
  std::ifstream file(path, std::ios::binary);
  std::string start(256, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(file.gcount()));
  return is_open_images_header(start);
}

// The folders that may hold lists: the root, annotations/, and those of FiftyOne's splits.
std::vector<fs::path> list_folders(const fs::path& root) {
  std::vector<fs::path> folders = {root, root / "annotations", root / "metadata"};
  std::error_code error;
  for (const fs::path& entry : sorted_entries(root, error)) {
    if (!split_of_word(entry.filename().native()).empty()) {
      folders.insert(folders.end(), {entry, entry / "labels", entry / "metadata"});
    }
  }
  return folders;
}

// "train" for train-annotations-human-imagelabels.csv and for train/labels/classifications.csv.
std::string split_of_list(const fs::path& path, const fs::path& root) {
  const std::string named = split_in_name(path.stem().native());
  const fs::path below = path.lexically_relative(root);
  return named.empty() ? split_of_word(below.begin()->native()) : named;
}

std::vector<fs::path> annotations_of(const DataOptions& options, const std::string& split) {
  const std::string& word = split_option(options, split);
  if (word.ends_with(".csv")) {
    return {options.root / word};
  }
  const std::string wanted = word.empty() ? split : split_of_word(word);
  std::vector<fs::path> found;
  std::error_code error;
  for (const fs::path& folder : list_folders(options.root)) {
    for (const fs::path& path : sorted_entries(folder, error)) {
      if (is_annotation(path) && split_of_list(path, options.root) == wanted) {
        found.push_back(path);
      }
    }
  }
  require<NoSplit>(!found.empty(), "{}: no Open Images labels for split '{}': looked for a .csv "
                   "with the columns ImageID, LabelName and Confidence named after it; name the "
                   "file in data.{}", printable(options.root.native()), split, split);
  return found;
}

// The file with such an ending in its name, if there is one.
fs::path named_like(const fs::path& root, std::string_view ending) {
  std::error_code error;
  for (const fs::path& folder : list_folders(root)) {
    for (const fs::path& path : sorted_entries(folder, error)) {
      if (lower_name(path).ends_with(ending)) {
        return path;
      }
    }
  }
  return {};
}

// The pictures of a split, by ImageID.
struct Pictures {
  fs::path folder;
  std::vector<std::string> files;  // in byte order
  std::unordered_map<std::string, int32_t> place_of;
};

Pictures pictures_of(const DataOptions& options, const std::string& split) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const fs::path& above : {options.root, options.root / "images"}) {
    for (const fs::path& entry : sorted_entries(above, error)) {
      if (split_of_word(entry.filename().native()) == split) {
        folders.insert(folders.end(), {entry / "data", entry / "images", entry});
      }
    }
  }
  folders.insert(folders.end(), {options.root / "images", options.root / "data", options.root});
  for (const fs::path& folder : folders) {
    if (!holds_picture(folder)) {
      continue;
    }
    Pictures found{folder, {}, {}};
    for (const fs::path& path : sorted_entries(folder)) {
      if (is_picture_name(path.filename().native()) && !is_hidden(path)) {
        found.place_of.emplace(path.stem().native(), static_cast<int32_t>(found.files.size()));
        found.files.push_back(path.filename().native());
      }
    }
    return found;
  }
  fail<DataError>("{}: no pictures for split '{}': looked in {}/, images/{}/, {}/data/, images/ "
                  "and the folder itself", printable(options.root.native()), split, split, split,
                  split);
}

// A label of a picture that is there.
struct Found {
  int32_t picture, label;
  Label what;
  bool machine;
};

// What the lists say of the pictures that are there.
struct Labels {
  std::vector<std::string> mids;  // in order of appearance, or the trainable ones
  std::vector<Found> found;
  int64_t pictures_elsewhere = 0, labels_left_out = 0, machine = 0;
};

class Collector {
 public:
  Collector(const Pictures& pictures, const DataOptions& options, Purpose purpose)
      : pictures_(pictures), threshold_(options.machine_confidence), purpose_(purpose) {
    const fs::path list = named_like(options.root, "classes-trainable.txt");
    if (!list.empty()) {
      closed_ = true;
      for (const std::string& mid : filled_lines(read_text_file(list, kMostNamesBytes))) {
        number_of(mid);
      }
    }
  }

  void take(const OpenImagesRow& row) {
    const auto picture = pictures_.place_of.find(row.image);
    if (picture == pictures_.place_of.end()) {
      labels_.pictures_elsewhere += row.image != last_elsewhere_;  // rows of a picture lie together
      last_elsewhere_ = row.image;
      return;
    }
    if (row.machine && (threshold_ == 0 || row.confidence < threshold_)) {
      return;
    }
    const auto known = numbers_.find(row.label);
    if (closed_ && known == numbers_.end()) {
      ++labels_.labels_left_out;
      return;
    }
    labels_.machine += row.machine;
    const Label what = row.machine ? purpose_ == Purpose::training ? Label::present : Label::unknown
                       : row.confidence == 1 ? Label::present
                                             : Label::absent;
    labels_.found.push_back({picture->second, number_of(row.label), what, row.machine});
  }

  Labels finish() {
    std::ranges::stable_sort(labels_.found, {}, &Found::picture);
    return std::move(labels_);
  }

 private:
  int32_t number_of(const std::string& mid) {
    const auto [entry, is_new] = numbers_.emplace(mid, static_cast<int32_t>(labels_.mids.size()));
    if (is_new) {
      labels_.mids.push_back(mid);
    }
    return entry->second;
  }

  const Pictures& pictures_;
  double threshold_;
  Purpose purpose_;
  bool closed_ = false;
  std::unordered_map<std::string, int32_t> numbers_;
  std::string last_elsewhere_;
  Labels labels_;
};

// A picture's labels. What people say is absent, a classifier cannot make present.
std::vector<LabelEntry> entries_of(std::span<const Found> labels,
                                   const std::vector<int32_t>& columns) {
  std::set<int32_t> denied;
  std::vector<LabelEntry> entries;
  for (const bool machine : {false, true}) {
    for (const Found& found : labels) {
      const int32_t column = columns[static_cast<size_t>(found.label)];
      if (found.machine == machine && column >= 0 && (!machine || !denied.contains(column))) {
        entries.push_back({.column = column, .label = found.what});
        if (found.what == Label::absent) {
          denied.insert(column);
        }
      }
    }
  }
  return entries;
}

// The names of the labels, and for each label its column (-1: in no class list).
ClassList classes_of(const DataOptions& options, const Labels& labels, const std::string& where,
                     std::vector<int32_t>& columns) {
  const fs::path list = named_like(options.root, "class-descriptions.csv");
  const fs::path other = list.empty() ? named_like(options.root, "classes.csv") : list;
  const auto names = other.empty() ? std::unordered_map<std::string, std::string>()
                                   : read_label_names(read_text_file(other, kMostNamesBytes),
                                                      printable(other.native()));
  std::vector<std::string> own;
  for (const std::string& mid : labels.mids) {
    const auto described = names.find(mid);
    own.push_back(described == names.end() ? mid : described->second);
  }
  const std::vector<std::string> by_number = own;
  std::ranges::sort(own);
  const ClassList classes(options, std::move(own), where);
  std::set<std::string> unknown;
  for (const std::string& name : by_number) {
    columns.push_back(classes.column(name));
  }
  for (const Found& found : labels.found) {
    const auto label = static_cast<size_t>(found.label);
    if (found.what == Label::present && columns[label] < 0) {
      unknown.insert(by_number[label]);
    }
  }
  require_known({unknown.begin(), unknown.end()}, classes, where);
  return classes;
}

std::unique_ptr<Dataset> open_open_images(const DataOptions& options, const std::string& split,
                                          Purpose purpose) {
  const std::vector<fs::path> lists = annotations_of(options, split);
  const std::string where = printable(lists[0].native());
  const Pictures pictures = pictures_of(options, split);
  Collector collector(pictures, options, purpose);
  for (const fs::path& list : lists) {
    const MappedFile file(list);
    read_open_images({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()},
                     printable(list.native()),
                     [&](const OpenImagesRow& row) { collector.take(row); });
  }
  const Labels labels = collector.finish();
  require<DataError>(!labels.found.empty(), "{}: none of its pictures is in {}", where,
                     printable(pictures.folder.native()));
  std::vector<int32_t> columns;
  const ClassList classes = classes_of(options, labels, where, columns);

  SampleList samples(options.unlabelled, split_limit(options, split), where);
  const std::span<const Found> all = labels.found;
  for (size_t i = 0, next = 0; i < pictures.files.size(); ++i) {
    const size_t begin = next;
    while (next < all.size() && all[next].picture == static_cast<int32_t>(i)) {
      ++next;
    }
    samples.add(pictures.files[i], entries_of(all.subspan(begin, next - begin), columns));
  }
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{pictures.folder, options.root, true, options.decode}, classes,
      std::move(samples));
  const auto weight = static_cast<float>(options.untagged_weight);
  data->set_unlisted(purpose == Purpose::evaluation || weight == 0
                         ? LabelEntry{.label = Label::unknown}
                         : LabelEntry{.label = Label::absent, .weight = weight});
  data->add_note(fmt::format(
      "{}: {} in {}{}{}{}", where, counted(static_cast<int64_t>(pictures.files.size()), "picture"),
      printable(pictures.folder.native()),
      labels.pictures_elsewhere > 0
          ? fmt::format("; about {} not there",
                        counted(labels.pictures_elsewhere, "listed picture"))
          : "",
      labels.labels_left_out > 0
          ? fmt::format("; {} left out as not trainable", counted(labels.labels_left_out, "label"))
          : "",
      labels.machine > 0 ? fmt::format("; {} of a classifier with a confidence of at least {}",
                                       counted(labels.machine, "label"), options.machine_confidence)
                         : ""));
  return data;
}

bool is_open_images(const DataOptions& options) {
  std::error_code error;
  return std::ranges::any_of(list_folders(options.root), [&](const fs::path& folder) {
    return std::ranges::any_of(sorted_entries(folder, error), is_annotation);
  });
}

}  // namespace

const DataFormat open_images_format = {
    .name = "open_images",
    .looks_like = "a .csv of ImageID, LabelName, Confidence",
    .splits = "a list (.csv), or a split's word in the lists' names",
    .detect = is_open_images,
    .open = open_open_images,
};

}  // namespace mld
