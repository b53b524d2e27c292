#include "data/formats/voc.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostXmlBytes = int64_t{16} << 20;
constexpr int64_t kMostListBytes = int64_t{1} << 30;

// The folders with Annotations, ImageSets and JPEGImages: root itself, or all of root/VOC* and
// root/VOCdevkit/VOC*.
std::vector<fs::path> devkit_folders(const fs::path& root) {
  const auto complete = [](const fs::path& folder) {
    return fs::is_directory(folder / "Annotations") && fs::is_directory(folder / "JPEGImages");
  };
  if (complete(root)) {
    return {root};
  }
  std::vector<fs::path> found;
  for (const fs::path& parent : {root, root / "VOCdevkit"}) {
    if (fs::is_directory(parent)) {
      for (const fs::path& folder : sorted_entries(parent)) {
        if (folder.filename().native().starts_with("VOC") && complete(folder)) {
          found.push_back(folder);
        }
      }
    }
  }
  return found;
}

fs::path devkit_folder(const fs::path& root) {
  const std::vector<fs::path> found = devkit_folders(root);
  require<DataError>(!found.empty(),
                     "{}: no VOC data: looked for the folders Annotations and JPEGImages here, in "
                     "VOC* and in VOCdevkit/VOC*",
                     printable(root.native()));
  require<DataError>(found.size() == 1, "{}: several VOC years, {} and {}; point data.root at one",
                     printable(root.native()), printable(found[0].filename().native()),
                     printable(found.back().filename().native()));
  return found[0];
}

struct Listed {
  std::string id;
  int64_t line;
};

// The ids of a list file, one a line; blank lines are skipped.
std::vector<Listed> read_ids(const fs::path& path) {
  const std::string name = printable(path.native());
  const std::string text = read_text_file(path, kMostListBytes);
  std::vector<Listed> ids;
  std::unordered_set<std::string_view> seen;
  int64_t line = 0;
  for (size_t begin = 0; begin < text.size();) {
    ++line;
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view id = trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (id.empty()) {
      continue;
    }
    safe_relative_path(id, fmt::format("{}:{}", name, line));
    require<DataError>(seen.insert(id).second, "{}:{}: id '{}' occurs twice", name, line,
                       printable(id));
    ids.push_back({std::string(id), line});
  }
  require<DataError>(!ids.empty(), "{}: no ids", name);
  return ids;
}

// The list of a split: a path, a word for ImageSets/Main, or the split's own name.
fs::path list_file(const fs::path& devkit, const fs::path& root, const std::string& word,
                   const std::string& split) {
  if (fs::path(word).extension() == ".txt") {
    return root / word;
  }
  const fs::path sets = devkit / "ImageSets" / "Main";
  const fs::path path = sets / ((word.empty() ? split : word) + ".txt");
  if (!fs::exists(path)) {
    std::vector<std::string> lists;
    if (fs::is_directory(sets)) {
      for (const fs::path& entry : sorted_entries(sets)) {
        // dog_train.txt and the like hold one class, not a split.
        if (entry.extension() == ".txt" && entry.stem().native().find('_') == std::string::npos) {
          lists.push_back(entry.stem().native());
        }
      }
    }
    fail<DataError>("{}: no such list for split '{}'; {}; name one in data.{}",
                    printable(path.native()), split,
                    lists.empty() ? "ImageSets/Main has none" : "there is " + name_list(lists, 8),
                    split);
  }
  return path;
}

// Class name -> whether every object of it is difficult.
using PictureClasses = std::map<std::string, bool>;

// Reads the annotation of one listed picture.
PictureClasses read_annotation(const fs::path& devkit, const Listed& listed,
                               const std::string& list_name) {
  const fs::path path = resolve_below(devkit / "Annotations", listed.id + ".xml");
  std::error_code error;
  require<DataError>(fs::exists(path, error), "{}:{}: id '{}' has no annotation file {}",
                     list_name, listed.line, printable(listed.id), printable(path.native()));
  PictureClasses classes;
  for (const VocObject& object :
       parse_voc(read_text_file(path, kMostXmlBytes), printable(path.native()))) {
    const auto entry = classes.emplace(object.name, true).first;
    entry->second = entry->second && object.difficult;
  }
  return classes;
}

// The picture's file in JPEGImages: .jpg, or another ending if that is what is there.
std::string picture_of(const fs::path& folder, const std::string& id) {
  std::error_code error;
  if (!fs::exists(folder / (id + ".jpg"), error)) {
    for (const char* ending : {".jpeg", ".png", ".JPG", ".JPEG", ".PNG"}) {
      if (fs::exists(folder / (id + ending), error)) {
        return id + ending;
      }
    }
  }
  return id + ".jpg";  // a missing picture is reported when it is opened
}

// A train split that is a file of another kind means another format.
bool is_voc(const DataOptions& options) {
  const fs::path ending = fs::path(options.train).extension();
  return (ending.empty() || ending == ".txt") && !devkit_folders(options.root).empty();
}

std::unique_ptr<Dataset> open_voc(const DataOptions& options, const std::string& split,
                                  Purpose purpose) {
  const fs::path devkit = devkit_folder(options.root);
  const fs::path list = list_file(devkit, options.root, split_option(options, split), split);
  const std::string list_name = printable(list.native());
  const std::vector<Listed> ids = read_ids(list);
  std::vector<PictureClasses> pictures;
  std::set<std::string> names;
  for (const Listed& listed : ids) {
    pictures.push_back(read_annotation(devkit, listed, list_name));
    for (const auto& [name, difficult] : pictures.back()) {
      names.insert(name);
    }
  }
  const ClassList classes(options, {names.begin(), names.end()}, list_name);
  std::vector<std::string> unknown;
  std::copy_if(names.begin(), names.end(), std::back_inserter(unknown),
               [&](const std::string& name) { return classes.column(name) < 0; });
  require_known(unknown, classes, list_name);

  const bool keep = purpose == Purpose::training && options.difficult == Difficult::keep;
  SampleList samples(options.unlabelled, split_limit(options, split), list_name);
  std::vector<LabelEntry> labels;
  for (size_t i = 0; i < ids.size(); ++i) {
    labels.clear();
    for (const auto& [name, difficult] : pictures[i]) {
      labels.push_back(
          {classes.column(name), difficult && !keep ? Label::unknown : Label::present});
    }
    samples.add(picture_of(devkit / "JPEGImages", ids[i].id), labels);
  }
  samples.finish();
  const fs::path folder = devkit / "JPEGImages";
  return std::make_unique<FileDataset>(
      FileDataset::Place{folder, prefix_of(folder, options.root), true}, classes,
      std::move(samples));
}

}  // namespace

const DataFormat voc_format = {
    .name = "voc",
    .looks_like = "Annotations and JPEGImages",
    .splits = "a list in ImageSets/Main (trainval), or the path of a list (.txt)",
    .detect = is_voc,
    .open = open_voc,
};

}  // namespace mld
