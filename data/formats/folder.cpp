// One folder per class: root/train/<class>/*.jpg, or root/<class>/*.jpg.
#include <algorithm>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

// The folders that may hold a split's classes when the user names none.
std::vector<std::string> usual_names(const std::string& split) {
  return split == "val" ? std::vector<std::string>{"val", "valid", "validation"}
                        : std::vector<std::string>{split};
}

fs::path split_folder(const DataOptions& options, const std::string& split) {
  const std::string& word = split_option(options, split);
  if (!word.empty()) {
    require<DataError>(fs::is_directory(options.root / word),
                       "{}: no such folder (data.{} = \"{}\")",
                       printable((options.root / word).native()), split, printable(word));
    return options.root / word;
  }
  for (const std::string& name : usual_names(split)) {
    if (fs::is_directory(options.root / name)) {
      return options.root / name;
    }
  }
  require<NoSplit>(split == "train",
                   "{}: no folder for split '{}'; make {}/<class>/, or name the folder in data.{}",
                   printable(options.root.native()), split, split, split);
  return options.root;
}

// What lies in one class folder and the folders below it. Links are followed (folders of links are
// a usual way to make a subset; no annotation file chooses them), but not links to folders, which
// may form a circle.
struct ClassFolder {
  std::vector<std::string> pictures;  // relative to the split's folder, in byte order
  int64_t others = 0;                 // files that do not look like pictures
  std::string other;                  // the first of them
};

ClassFolder list_class(const fs::path& split_folder, const fs::path& folder) {
  ClassFolder result;
  std::vector<fs::path> folders = {folder};
  while (!folders.empty()) {
    const fs::path current = std::move(folders.back());
    folders.pop_back();
    for (const fs::path& entry : sorted_entries(current)) {
      std::error_code error;
      const fs::path relative = entry.lexically_relative(split_folder);
      if (is_hidden(entry)) {
        continue;
      }
      if (fs::is_directory(fs::symlink_status(entry, error))) {
        folders.push_back(entry);
      } else if (is_picture_name(entry.filename().native())) {
        result.pictures.push_back(relative.native());
      } else if (result.others++ == 0) {
        result.other = relative.native();
      }
    }
  }
  std::sort(result.pictures.begin(), result.pictures.end());
  return result;
}

// The program whose export of boxes this is, which would come out as one class called "images".
std::string detection_export(const fs::path& root) {
  std::error_code error;
  for (const char* below : {"", "train", "val", "valid", "test"}) {
    const fs::path folder = *below == '\0' ? root : root / below;
    const fs::path labels = folder / "labels";
    if (fs::is_directory(folder / "images", error) &&
        (has_file(labels, ".txt") || has_file(labels / "train", ".txt"))) {
      return "YOLO's (images/ beside labels/ with a .txt file per picture)";
    }
  }
  if (fs::is_directory(root / "images", error) && fs::exists(root / "annotations.xml", error)) {
    return "CVAT's (images/ beside annotations.xml)";
  }
  return "";
}

void refuse_detection_export(const fs::path& root) {
  const std::string name = detection_export(root);
  require<DataError>(name.empty(),
                     "{}: this looks like a detection data set of {}, which is not read here; "
                     "export it as COCO (data.format = \"coco\") or VOC, or make one folder per "
                     "class", printable(root.native()), name);
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

bool is_folder(const DataOptions& options) {
  refuse_detection_export(options.root);
  for (const char* below : {"train", "val", "test"}) {
    if (fs::is_directory(options.root / below) && has_class_folders(options.root / below)) {
      return true;
    }
  }
  return has_class_folders(options.root);
}

std::unique_ptr<Dataset> open_folder(const DataOptions& options, const std::string& split,
                                     Purpose) {
  refuse_detection_export(options.root);
  const fs::path folder = split_folder(options, split);
  const std::string where = printable(folder.native());
  std::vector<std::string> names, empty;
  std::vector<ClassFolder> contents;
  ClassFolder others;
  for (const fs::path& entry : sorted_entries(folder)) {
    if (!is_hidden(entry) && fs::is_directory(entry)) {
      ClassFolder listed = list_class(folder, entry);
      if (listed.others > 0 && others.others == 0) {
        others.other = listed.other;
      }
      others.others += listed.others;
      (listed.pictures.empty() ? empty : names).push_back(entry.filename().native());
      if (!listed.pictures.empty()) {
        contents.push_back(std::move(listed));
      }
    }
  }
  if (names.empty() && split == "train" && options.train.empty() && folder != options.root &&
      has_class_folders(options.root)) {
    fail<DataError>("{}: no folder per class in it; if 'train' is itself a class beside others, set "
                    "data.train = \".\", the root", where);
  }
  require<DataError>(!names.empty(),
                     "{}: no pictures, expected one folder per class with .jpg, .png, .bmp, .gif "
                     "or .ppm files in it",
                     where);
  const ClassList classes(options, names, where);
  std::vector<std::string> unknown;
  std::copy_if(names.begin(), names.end(), std::back_inserter(unknown),
               [&](const std::string& name) { return classes.column(name) < 0; });
  require_known(unknown, classes, where);

  SampleList samples(options.unlabelled, split_limit(options, split), where);
  // One picture of each class in turn, so that "the first N" has them all.
  size_t longest = 0;
  for (const ClassFolder& content : contents) {
    longest = std::max(longest, content.pictures.size());
  }
  for (size_t round = 0; round < longest; ++round) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (round < contents[i].pictures.size()) {
        const LabelEntry label{classes.column(names[i])};
        samples.add(std::move(contents[i].pictures[round]), {&label, 1});
      }
    }
  }
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{folder, prefix_of(folder, options.root), false}, classes,
      std::move(samples));
  if (others.others > 0) {
    data->add_note(fmt::format("{}: {} skipped that {} no .jpg, .png, .bmp, .gif or .ppm: {}{}",
                               where, counted(others.others, "file"),
                               others.others == 1 ? "is" : "are", printable(others.other),
                               others.others == 1 ? "" : ", ..."));
  }
  if (!empty.empty()) {
    data->add_note(fmt::format("{}: {} without pictures: {}", where,
                               counted(static_cast<int64_t>(empty.size()), "folder"),
                               name_list(empty)));
  }
  return data;
}

}  // namespace

const DataFormat folder_format = {
    .name = "folder",
    .looks_like = "folders of pictures",
    .splits = "the folder that holds one folder per class; \".\" is the root itself",
    .detect = is_folder,
    .open = open_folder,
};

}  // namespace mld
