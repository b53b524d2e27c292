// One folder per class: root/train/<class>/*.jpg, or root/<class>/*.jpg.
#include <algorithm>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

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

// The program whose detection export this is; as class folders, it would be one class "images".
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
    if (fs::is_directory(entry, error) && !is_hidden(entry) && holds_picture(entry)) {
      return true;
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
  std::vector<std::vector<std::string>> contents;  // of the folders in `names`
  LeftOut left_out;
  for (const fs::path& entry : sorted_entries(folder)) {
    if (!is_hidden(entry) && fs::is_directory(entry)) {
      std::vector<std::string> pictures = list_pictures(entry, folder, left_out);
      (pictures.empty() ? empty : names).push_back(entry.filename().native());
      if (!pictures.empty()) {
        contents.push_back(std::move(pictures));
      }
    }
  }
  if (names.empty() && split == "train" && options.train.empty() && folder != options.root &&
      has_class_folders(options.root)) {
    fail<DataError>("{}: no folder per class in it; if 'train' is itself a class beside others, set "
                    "data.train = \".\", the root", where);
  }
  require<DataError>(!names.empty(),
                     "{}: no pictures, expected one folder per class with pictures in it{}{}", where,
                     left_out.empty() ? "" : "; left out: ", left_out.text());
  const ClassList classes(options, names, where);
  std::vector<std::string> unknown;
  std::copy_if(names.begin(), names.end(), std::back_inserter(unknown),
               [&](const std::string& name) { return classes.column(name) < 0; });
  require_known(unknown, classes, where);

  SampleList samples(options.unlabelled, split_limit(options, split), where);
  // One picture of each class in turn, so that "the first N" has all classes.
  size_t longest = 0;
  for (const std::vector<std::string>& pictures : contents) {
    longest = std::max(longest, pictures.size());
  }
  for (size_t round = 0; round < longest; ++round) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (round < contents[i].size()) {
        const LabelEntry label{classes.column(names[i])};
        samples.add(std::move(contents[i][round]), {&label, 1});
      }
    }
  }
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{folder, options.root, false, options.decode}, classes, std::move(samples));
  if (!left_out.empty()) {
    data->add_note(fmt::format("{}: left out: {}", where, left_out.text()));
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
