#include "data/formats/voc.h"

#include <algorithm>
#include <map>
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
  std::error_code error;
  const auto complete = [&](const fs::path& folder) {
    return fs::is_directory(folder / "Annotations", error) &&
           fs::is_directory(folder / "JPEGImages", error);
  };
  if (complete(root)) {
    return {root};
  }
  std::vector<fs::path> found;
  for (const fs::path& parent : {root, root / "VOCdevkit"}) {
    for (const fs::path& folder : sorted_entries(parent, error)) {
      if (folder.filename().native().starts_with("VOC") && complete(folder)) {
        found.push_back(folder);
      }
    }
  }
  return found;
}

// Whether the layout looks like VOC's without its lists.
bool has_loose_annotations(const fs::path& root) { return has_file(root / "annotations", ".xml"); }

fs::path devkit_folder(const fs::path& root) {
  const std::vector<fs::path> found = devkit_folders(root);
  require<DataError>(!found.empty() || !has_loose_annotations(root),
                     "{}: annotations/ holds VOC's XML files, but VOC data has them in "
                     "Annotations, the pictures in JPEGImages and lists such as train.txt in "
                     "ImageSets/Main; name the folders so and write the lists",
                     printable(root.native()));
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
  std::vector<std::string> ids;  // that the line may mean, the likeliest first
  int64_t line;
};

// The ids that a line of a list may mean: 000005, "000005 -1" (from a class's list),
// JPEGImages/000005.jpg.
std::vector<std::string> ids_of_line(std::string_view line) {
  std::vector<std::string> ids = {std::string(line)};
  const size_t blank = line.find_last_of(" \t");
  const std::string_view last =
      line.substr(blank == std::string_view::npos ? line.size() : blank + 1);
  if (last == "1" || last == "0" || last == "-1") {
    ids.emplace_back(trimmed(line.substr(0, blank)));
  }
  for (size_t i = 0, count = ids.size(); i < count; ++i) {
    const size_t dot = ids[i].rfind('.');
    if (is_picture_name(ids[i]) || ids[i].ends_with(".xml")) {
      ids.push_back(ids[i].substr(0, dot));
    }
  }
  for (size_t i = 0, count = ids.size(); i < count; ++i) {
    const size_t slash = ids[i].find_last_of("/\\");
    if (slash != std::string::npos) {
      ids.push_back(ids[i].substr(slash + 1));
    }
  }
  return ids;
}

// The lines of a list file; blank ones are skipped.
std::vector<Listed> read_list(const fs::path& path) {
  const std::string name = printable(path.native());
  const std::string file = read_text_file(path, kMostListBytes);
  std::vector<Listed> lines;
  for_filled_lines(without_mark(file, name), [&](std::string_view id, int64_t line) {
    safe_relative_path(id, fmt::format("{}:{}", name, line));
    lines.push_back({ids_of_line(id), line});
  });
  require<DataError>(!lines.empty(), "{}: no ids", name);
  return lines;
}

// The ids of the list: for each line, the first possible id that has an annotation.
std::vector<std::string> read_ids(const fs::path& list, const fs::path& annotations) {
  const std::string name = printable(list.native());
  std::vector<std::string> found;
  std::unordered_set<std::string> seen;
  for (const Listed& listed : read_list(list)) {
    std::error_code error;
    const auto id = std::ranges::find_if(listed.ids, [&](const std::string& candidate) {
      return fs::exists(annotations / (candidate + ".xml"), error);
    });
    require<DataError>(id != listed.ids.end(), "{}:{}: id '{}' has no annotation file {}", name,
                       listed.line, printable(listed.ids[0]),
                       printable((annotations / (listed.ids[0] + ".xml")).native()));
    require<DataError>(seen.insert(*id).second, "{}:{}: id '{}' occurs twice", name, listed.line,
                       printable(*id));
    found.push_back(*id);
  }
  return found;
}

// The list file of a split: given as a path, as a name in ImageSets/Main, or by the split's name.
// Empty for train if there is no list at all: then all annotations are used.
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
    if (lists.empty() && word.empty() && split == "train") {
      return {};
    }
    fail<NoSplit>("{}: no such list for split '{}'; {}; name one in data.{}",
                  printable(path.native()), split,
                  lists.empty() ? "ImageSets/Main has none" : "there is " + name_list(lists, 8),
                  split);
  }
  return path;
}

std::vector<std::string> all_ids(const fs::path& annotations) {
  std::vector<std::string> ids;
  for (const fs::path& path : sorted_entries(annotations)) {
    if (path.extension() == ".xml" && !path.filename().native().starts_with('.')) {
      ids.push_back(path.stem().native());
    }
  }
  return ids;
}

// Class name -> whether every object of it is difficult.
using PictureClasses = std::map<std::string, bool>;

PictureClasses read_annotation(const fs::path& path) {
  PictureClasses classes;
  for (const VocObject& object :
       parse_voc(read_text_file(path, kMostXmlBytes), printable(path.native()))) {
    const auto entry = classes.emplace(object.name, true).first;
    entry->second = entry->second && object.difficult;
  }
  return classes;
}

// The picture's file in JPEGImages: .jpg, or another extension if that exists.
std::string picture_of(const fs::path& folder, const std::string& id) {
  std::error_code error;
  if (!fs::exists(folder / (id + ".jpg"), error)) {
    for (const char* ending : {".jpeg", ".png", ".JPG", ".JPEG", ".PNG", ".webp", ".bmp", ".tif",
                               ".gif", ".ppm"}) {
      if (fs::exists(folder / (id + ending), error)) {
        return id + ending;
      }
    }
  }
  return id + ".jpg";  // a missing picture is reported when it is opened
}

// If data.train is a file of another kind, it is another format.
bool is_voc(const DataOptions& options) {
  const fs::path ending = fs::path(options.train).extension();
  return (ending.empty() || ending == ".txt") &&
         (!devkit_folders(options.root).empty() || has_loose_annotations(options.root));
}

std::unique_ptr<Dataset> open_voc(const DataOptions& options, const std::string& split,
                                  Purpose purpose) {
  const fs::path devkit = devkit_folder(options.root);
  const fs::path list = list_file(devkit, options.root, split_option(options, split), split);
  const fs::path annotations = devkit / "Annotations";
  const std::string list_name = printable((list.empty() ? annotations : list).native());
  const std::vector<std::string> ids = list.empty() ? all_ids(annotations)
                                                    : read_ids(list, annotations);
  std::vector<PictureClasses> pictures;
  std::map<std::string, std::string> file_of_name;  // the first file that has the class
  for (const std::string& id : ids) {
    const fs::path path = resolve_below(options.root, annotations, id + ".xml");
    pictures.push_back(read_annotation(path));
    for (const auto& [name, difficult] : pictures.back()) {
      file_of_name.emplace(name, printable(path.native()));
    }
  }
  std::vector<std::string> names, unknown;
  for (const auto& [name, file] : file_of_name) {
    names.push_back(name);
  }
  const ClassList classes(options, names, list_name);
  std::copy_if(names.begin(), names.end(), std::back_inserter(unknown),
               [&](const std::string& name) { return classes.column(name) < 0; });
  if (!unknown.empty()) {
    require_known(unknown, classes, file_of_name[unknown[0]]);
  }

  const bool keep = purpose == Purpose::training && options.difficult == Difficult::keep;
  SampleList samples(options.unlabelled, split_limit(options, split), list_name);
  std::vector<LabelEntry> labels;
  for (size_t i = 0; i < ids.size(); ++i) {
    labels.clear();
    for (const auto& [name, difficult] : pictures[i]) {
      labels.push_back(
          {classes.column(name), difficult && !keep ? Label::unknown : Label::present});
    }
    samples.add(picture_of(devkit / "JPEGImages", ids[i]), labels);
  }
  samples.finish();
  const fs::path folder = devkit / "JPEGImages";
  return std::make_unique<FileDataset>(
      FileDataset::Place{folder, options.root, true, options.decode}, classes, std::move(samples));
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
