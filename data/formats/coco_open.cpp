// A split of a data set that is described by COCO annotation files.
#include <algorithm>
#include <fstream>
#include <set>

#include "core/error.h"
#include "data/formats/coco.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/picture_paths.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

bool is_json(const fs::path& path) { return lower_case(path.extension().native()) == ".json"; }

std::vector<fs::path> json_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> found = sorted_entries(folder, error);
  std::erase_if(found, [](const fs::path& path) { return !is_json(path); });
  return found;
}

// The files of one split: annotations/instances_train2017.json, train.json, and in the split's own
// folder Roboflow's _annotations.coco.json, FiftyOne's labels.json or annotations.json; if there is
// none, train_annotations.json and the like.
std::vector<fs::path> files_of_split(const fs::path& root, const std::string& split) {
  std::vector<fs::path> found, further;
  for (const fs::path& folder : {root / "annotations", root}) {
    for (const fs::path& path : json_files(folder)) {
      const std::string stem = path.stem().native();
      const bool in_name = split_in_name(stem) == split;
      if (split_of_word(stem) == split || (in_name && stem.starts_with("instances_")) ||
          (folder != root && stem.starts_with("instances_" + split))) {
        found.push_back(path);
      } else if (in_name) {
        further.push_back(path);
      }
    }
  }
  for (const fs::path& folder : sorted_entries(root)) {
    std::error_code error;
    if (split_of_word(folder.filename().native()) != split || !fs::is_directory(folder, error)) {
      continue;
    }
    for (const char* name : {"_annotations.coco.json", "labels.json", "annotations.json"}) {
      if (fs::exists(folder / name, error)) {
        found.push_back(folder / name);
      }
    }
  }
  return found.empty() ? further : found;
}

// Files that name no split: annotations/instances_default.json, labels.json, result.json.
std::vector<fs::path> files_of_no_split(const fs::path& root) {
  std::vector<fs::path> found;
  for (const fs::path& folder : {root / "annotations", root}) {
    for (const fs::path& path : json_files(folder)) {
      if (split_in_name(path.stem().native()).empty()) {
        found.push_back(path);
      }
    }
  }
  return found;
}

// The annotation file of a split; `word` is the user's option.
fs::path annotation_file(const fs::path& root, const std::string& word, const std::string& split) {
  if (is_json(word)) {
    return root / word;  // an absolute word replaces the root
  }
  const fs::path folder = root / "annotations";
  if (!word.empty()) {
    const fs::path exact = folder / ("instances_" + word + ".json");
    return fs::exists(exact) || !fs::exists(folder / (word + ".json")) ? exact
                                                                       : folder / (word + ".json");
  }
  std::vector<fs::path> found = files_of_split(root, split);
  if (found.empty() && split == "train") {
    const std::vector<fs::path> whole = files_of_no_split(root);
    if (whole.size() == 1) {
      found = whole;
    }
  }
  std::vector<std::string> others;
  for (const fs::path& place : {folder, root}) {
    for (const fs::path& path : found.empty() ? json_files(place) : std::vector<fs::path>()) {
      others.push_back(path.lexically_relative(root).native());
    }
  }
  require<NoSplit>(!found.empty(),
                   "{}: no COCO annotations for split '{}': looked for "
                   "annotations/instances_{}*.json{}; name the file in data.{}",
                   printable(root.native()), split, split,
                   others.empty() ? "" : ", found " + name_list(others), split);
  require<DataError>(found.size() == 1, "{}: several annotation files for split '{}', {} and {}; "
                     "name one in data.{}", printable(root.native()), split,
                     printable(found[0].lexically_relative(root).native()),
                     printable(found.back().lexically_relative(root).native()), split);
  return found[0];
}

// The folder, among the usual places, that holds the pictures of annotation file `json`.
PicturePlace picture_place(const fs::path& root, const fs::path& json,
                           const CocoAnnotations& coco) {
  std::string split = json.stem().string();
  if (split.starts_with("instances_")) {
    split.erase(0, std::string("instances_").size());
  }
  std::vector<std::string> first;
  for (const CocoAnnotations::Image& image : coco.images) {
    if (first.size() == kPicturesTried) {
      break;
    }
    first.push_back(image.file_name);
  }
  const fs::path own = json.parent_path();
  const fs::path places[] = {root / split, root / "images" / split, root / "images", own,
                             root,         own / "data",            own / "images",  root / "data"};
  return find_pictures(places, first);
}

// The column in `classes` of each category that occurs in the file. Errors: DataError if one is not
// in `classes`.
std::vector<int32_t> category_columns(const CocoAnnotations& coco, const CocoIndex& index,
                                      const ClassList& classes) {
  std::vector<bool> used(coco.categories.size());
  for (const CocoIndex::Entry& entry : index.entries) {
    used[static_cast<size_t>(entry.column)] = true;
  }
  std::vector<int32_t> columns;
  std::vector<std::string> unknown;
  for (size_t i = 0; i < coco.categories.size(); ++i) {
    columns.push_back(classes.column(coco.categories[i].name));
    if (used[i] && columns.back() < 0) {
      unknown.push_back(coco.categories[i].name);
    }
  }
  require_known(unknown, classes, coco.name);
  return columns;
}

// The names of the categories, once each. They must be a valid class list even if another list is
// used, since labels are matched by name. `repeated` gets those of several categories.
ClassList category_names(const CocoAnnotations& coco, std::vector<std::string>& repeated) {
  std::vector<std::string> names;
  std::set<std::string_view> known;
  for (const CocoAnnotations::Category& category : coco.categories) {
    (known.insert(category.name).second ? names : repeated).push_back(category.name);
  }
  return ClassList({.names = std::move(names)}, coco.name);
}

std::unique_ptr<Dataset> open_coco(const DataOptions& options, const std::string& split, Purpose) {
  const fs::path json = annotation_file(options.root, split_option(options, split), split);
  CocoAnnotations coco = read_coco(json);
  const WrittenPaths paths(options.root);
  for (size_t i = 0; i < coco.images.size(); ++i) {
    std::string& file = coco.images[i].file_name;
    file = paths.relative(file, fmt::format("{}: images[{}]", coco.name, i));
  }
  const PicturePlace place = picture_place(options.root, json, coco);
  const int64_t merged = merge_same_files(coco);
  CocoIndex index = index_coco(coco);
  coco.annotations.clear();
  coco.annotations.shrink_to_fit();
  std::vector<std::string> repeated;
  const ClassList own = category_names(coco, repeated);
  const ClassList classes(options, own.names(), coco.name);
  const std::vector<int32_t> columns = category_columns(coco, index, classes);

  SampleList samples(options.unlabelled, split_limit(options, split), coco.name);
  std::vector<LabelEntry> labels;
  size_t next = 0;
  for (size_t i = 0; i < index.order.size(); ++i) {
    labels.clear();
    for (; next < index.entries.size() && index.entries[next].image == static_cast<int32_t>(i);
         ++next) {
      const int32_t column = columns[static_cast<size_t>(index.entries[next].column)];
      labels.push_back({.column = column});
    }
    std::string& file = coco.images[static_cast<size_t>(index.order[i])].file_name;
    samples.add(place.file(std::move(file)), labels);
  }
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{place.folder, options.root, true, options.decode}, classes,
      std::move(samples));
  if (merged > 0) {
    data->add_note(fmt::format("{}: {} the file of an earlier one; their labels are merged",
                               coco.name, merged == 1 ? "1 image names"
                                                      : fmt::format("{} images name", merged)));
  }
  if (!repeated.empty()) {
    data->add_note(fmt::format("{}: several categories have one name, each name is one class: {}",
                               coco.name, name_list(repeated)));
  }
  const std::string note = place_note(place);
  if (!note.empty()) {
    data->add_note(coco.name + ": " + note);
  }
  return data;
}

// Whether a file is named as only COCO's are, or begins like them or like another annotation
// program's, which opening it will name. Class names in a labels.json do not. What is no JSON, such
// as a stand-in for a file that was not fetched or a link to nothing, is taken for COCO: opening it
// says what is wrong, which reading the folders would hide.
bool looks_like_coco(const fs::path& json) {
  constexpr size_t kBytes = 65536;
  const std::string name = json.filename().native();
  std::error_code error;
  if (!fs::is_regular_file(json, error)) {  // a pipe would not end
    return !fs::exists(json, error) && fs::is_symlink(fs::symlink_status(json, error));
  }
  if (name.starts_with("instances_") || name == "_annotations.coco.json") {
    return true;
  }
  std::string start(kBytes, '\0');
  std::ifstream file(json, std::ios::binary);
  file.read(start.data(), kBytes);
  start.resize(static_cast<size_t>(file.gcount()));
  std::erase(start, '\0');  // of UTF-16
  const auto has = [&](std::string_view key) {
    return start.find(fmt::format("\"{}\"", key)) != std::string::npos;
  };
  const size_t first = start.find_first_not_of(" \t\r\n\xEF\xBB\xBF\xFE\xFF");
  if (first == std::string::npos || (start[first] != '{' && start[first] != '[')) {
    return true;
  }
  const int lists = has("images") + has("annotations") + has("categories");
  const bool goes_on = file.gcount() == kBytes;  // the other lists may follow
  const bool described = has("file_name") || has("category_id") ||
                         (goes_on && (has("supercategory") || (has("id") && has("name"))));
  return start[first] == '{' &&
         (lists > 1 || (lists == 1 && described) || !other_json_program(has).empty());
}

// Looks into the files that are named after a split, or as tools name them.
bool is_coco(const DataOptions& options) {
  if (is_json(options.train)) {
    return true;
  }
  constexpr size_t kMost = 16;  // annotations/ may hold one file per picture
  const fs::path folder = options.root / "annotations";
  std::vector<fs::path> found;
  for (const char* name : {"labels.json", "annotations.json", "result.json",
                           "_annotations.coco.json"}) {
    found.push_back(options.root / name);
  }
  std::ranges::copy(files_of_split(options.root, "train"), std::back_inserter(found));
  std::ranges::stable_partition(found,
                                [&](const fs::path& path) { return path.parent_path() != folder; });
  std::ranges::copy(json_files(folder), std::back_inserter(found));
  found.resize(std::min(found.size(), kMost));
  return std::ranges::any_of(found, looks_like_coco);
}

}  // namespace

const DataFormat coco_format = {
    .name = "coco",
    .looks_like = "annotations/*.json with COCO's lists",
    .splits = "an annotation file, or the word after instances_ in its name (train2014)",
    .detect = is_coco,
    .open = open_coco,
};

}  // namespace mld
