// One folder per class: root/train/<class>/*.jpg, root/Valid/<class>/*.jpg, or root/<class>/*.jpg.
#include <algorithm>
#include <map>
#include <set>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostNamesBytes = int64_t{16} << 20;

// A folder below `folder` holds pictures itself.
bool has_class_folders(const fs::path& folder) {
  std::error_code error;
  return std::ranges::any_of(sorted_entries(folder, error), [&](const fs::path& entry) {
    return !is_hidden(entry) && fs::is_directory(entry, error) && holds_picture(entry);
  });
}

// The folder named like the split, in any case: Training, VALID. The very name wins; empty = none.
fs::path folder_of_split(const fs::path& root, const std::string& split) {
  std::vector<fs::path> found;
  for (const fs::path& entry : sorted_entries(root)) {
    std::error_code error;
    if (split_of_word(entry.filename().native()) == split && fs::is_directory(entry, error)) {
      if (entry.filename() == split) {
        return entry;
      }
      found.push_back(entry);
    }
  }
  if (found.size() > 1 && std::ranges::any_of(found, has_class_folders)) {  // else all are classes
    fail<DataError>("{}: several folders for split '{}', {} and {}; name one in data.{}",
                    printable(root.native()), split, printable(found[0].filename().native()),
                    printable(found.back().filename().native()), split);
  }
  return found.empty() ? fs::path() : found[0];
}

fs::path split_folder(const DataOptions& options, const std::string& split) {
  const std::string& word = split_option(options, split);
  if (!word.empty()) {
    require<DataError>(fs::is_directory(options.root / word),
                       "{}: no such folder (data.{} = \"{}\")",
                       printable((options.root / word).native()), split, printable(word));
    return options.root / word;
  }
  const fs::path folder = folder_of_split(options.root, split);
  require<NoSplit>(!folder.empty() || split == "train",
                   "{}: no folder for split '{}'; make {}/<class>/, or name the folder in data.{}",
                   printable(options.root.native()), split, split, split);
  return folder.empty() ? options.root : folder;
}

bool named_like_split(const fs::path& folder) {
  return !split_of_word(folder.filename().native()).empty();
}

// The program whose detection export this is; as class folders, it would be one class "images".
std::string detection_export(const fs::path& root) {
  std::error_code error;
  std::vector<fs::path> folders = sorted_entries(root, error);
  std::erase_if(folders, [](const fs::path& folder) { return !named_like_split(folder); });
  folders.push_back(root);
  for (const fs::path& folder : folders) {
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

bool is_folder(const DataOptions& options) {
  std::error_code error;
  return !detection_export(options.root).empty() || has_class_folders(options.root) ||
         std::ranges::any_of(sorted_entries(options.root, error), [&](const fs::path& entry) {
           return named_like_split(entry) && has_class_folders(entry);
         });
}

// The folder in the root that is or holds the folder of a split's word; empty for none.
fs::path first_folder(const fs::path& root, const std::string& word) {
  std::error_code error;
  const fs::path below = fs::relative(root / word, root, error);
  return word.empty() || below.empty() || *below.begin() == ".." ? root / word
                                                                 : root / *below.begin();
}

// Whether a folder in the root belongs to another split, so that it is no class of this one. If the
// user made the root this split, a folder with one of its words is a class of it.
bool is_other_split(const DataOptions& options, const std::string& split, const fs::path& entry) {
  for (const char* other : {"train", "val", "test"}) {
    std::error_code error;
    const std::string& word = split_option(options, other);
    if (other != split && !word.empty() &&
        fs::equivalent(first_folder(options.root, word), entry, error)) {
      return true;
    }
  }
  const std::string named = split_of_word(entry.filename().native());
  const bool given = !split_option(options, split).empty();
  return !named.empty() && has_class_folders(entry) &&
         !(given && (named == split || !split_option(options, named).empty()));
}

// The folders of pictures in the root that no split has, since one of them has its own folder.
std::vector<std::string> unused_folders(const DataOptions& options) {
  std::vector<std::string> unused;
  for (const fs::path& entry : sorted_entries(options.root)) {
    std::error_code error;
    if (!is_hidden(entry) && fs::is_directory(entry, error) && !named_like_split(entry) &&
        !is_other_split(options, "train", entry) &&
        (holds_picture(entry) || has_class_folders(entry))) {
      unused.push_back(entry.filename().native());
    }
  }
  return unused;
}

// What is in the folder of a split.
struct Contents {
  std::vector<std::string> names;                  // of the classes
  std::vector<std::vector<std::string>> pictures;  // of each class
  std::vector<std::string> empty, other_splits;    // further folders
  LeftOut left_out;
};

Contents contents_of(const fs::path& folder, const DataOptions& options, const std::string& split) {
  Contents found;
  const bool is_root = fs::equivalent(folder, options.root);
  for (const fs::path& entry : sorted_entries(folder)) {
    const std::string name = entry.filename().native();
    if (is_hidden(entry)) {
      continue;
    }
    std::error_code error;
    if (!fs::is_directory(entry, error)) {
      if (!fs::exists(entry, error)) {
        found.left_out.add("a link to nothing", name);
      } else if (is_picture(entry)) {
        found.left_out.add("outside the class folders", name);
      }
    } else if (is_root && is_other_split(options, split, entry)) {
      found.other_splits.push_back(name);
    } else {
      std::vector<std::string> pictures = list_pictures(entry, folder, found.left_out);
      require<DataError>(pictures.empty() || !is_root || !named_like_split(entry) ||
                             !split_option(options, split).empty(),
                         "{}: a class or a split? If it is a class, set data.{} = \".\", the root; "
                         "if it is a split, give it one folder per class or move it elsewhere",
                         printable(entry.native()), split);
      (pictures.empty() ? found.empty : found.names).push_back(name);
      if (!pictures.empty()) {
        found.pictures.push_back(std::move(pictures));
      }
    }
  }
  return found;
}

// One picture of each class in turn, so that "the first N" has all classes.
void add_in_turn(Contents& found, const std::vector<std::string>& names, const ClassList& classes,
                 SampleList& samples) {
  for (size_t round = 0, added = 1; added > 0; ++round) {
    added = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      if (round < found.pictures[i].size()) {
        const LabelEntry label{classes.column(names[i])};
        samples.add(std::move(found.pictures[i][round]), {&label, 1});
        ++added;
      }
    }
  }
}

// Says what may have been meant instead of folders as classes.
void add_doubts(const DataOptions& options, const std::vector<std::string>& classes,
                Dataset& data) {
  const std::string root = printable(options.root.native());
  std::map<std::string, std::vector<std::string>> lists;  // by format
  for (const fs::path& entry : sorted_entries(options.root)) {
    const std::string ending = lower_case(entry.extension().native());
    if (options.format == "auto" && (ending == ".csv" || ending == ".tsv" || ending == ".json")) {
      lists[ending == ".json" ? "coco" : "csv"].push_back(entry.filename().native());
    }
  }
  for (const auto& [format, names] : lists) {
    data.add_note(fmt::format("{}: {} in this folder {} not read; data.format = \"{}\" reads {}",
                              root, name_list(names), names.size() == 1 ? "is" : "are", format,
                              names.size() == 1 ? "it" : "them"));
  }
  static const std::set<std::string> kNoClasses = {"images", "masks", "labels", "annotations",
                                                   "data",   "img",   "pics"};
  if (std::ranges::all_of(classes, [](const std::string& name) {
        return kNoClasses.contains(lower_case(name));
      })) {
    data.add_note(fmt::format("{}: each folder is taken for a class: {}; such folders usually hold "
                              "the pictures of all classes", root, name_list(classes)));
  }
}

// The classes that the folders stand for: ImageNet's list says "n01440764 tench, Tinca tinca". A
// name of several folders ("crane") gets the folder behind it.
std::vector<std::string> described(const std::vector<std::string>& folders, const fs::path& root) {
  std::map<std::string, std::string> words;
  for (const char* list : {"LOC_synset_mapping.txt", "synset_words.txt"}) {
    std::error_code error;
    if (words.empty() && fs::is_regular_file(root / list, error)) {
      for (const std::string& line : filled_lines(read_text_file(root / list, kMostNamesBytes))) {
        const size_t blank = std::min(line.find_first_of(" \t"), line.size());
        words[line.substr(0, blank)] = trimmed(std::string_view(line).substr(blank));
      }
    }
  }
  std::map<std::string, int> uses;
  for (const auto& [folder, word] : words) {
    ++uses[word];
  }
  std::vector<std::string> names;
  for (const std::string& folder : folders) {
    const auto word = words.find(folder);
    names.push_back(word == words.end() || word->second.empty() ? folder
                    : uses[word->second] == 1 ? word->second
                                              : fmt::format("{} ({})", word->second, folder));
  }
  return names;
}

std::unique_ptr<Dataset> open_folder(const DataOptions& options, const std::string& split,
                                     Purpose) {
  refuse_detection_export(options.root);
  const fs::path folder = split_folder(options, split);
  const std::string where = printable(folder.native());
  Contents found = contents_of(folder, options, split);
  const std::vector<std::string> names = described(found.names, options.root);
  if (names.empty() && split == "train" && options.train.empty() && folder != options.root &&
      has_class_folders(options.root)) {
    fail<DataError>("{}: no folder per class in it; if 'train' is itself a class beside others, "
                    "set data.train = \".\", the root", where);
  }
  if (names.empty()) {
    const std::string message = fmt::format(
        "{}: no pictures, expected one folder per class with pictures in it{}{}", where,
        found.left_out.empty() ? "" : "; left out: ", found.left_out.text());
    require<NoSplit>(split == "train" || !split_option(options, split).empty(), "{}", message);
    fail<DataError>("{}", message);
  }
  const ClassList classes(options, names, where);
  std::vector<std::string> unknown;
  std::copy_if(names.begin(), names.end(), std::back_inserter(unknown),
               [&](const std::string& name) { return classes.column(name) < 0; });
  require_known(unknown, classes, where);

  SampleList samples(options.unlabelled, split_limit(options, split), where);
  add_in_turn(found, names, classes, samples);
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{folder, options.root, false, options.decode}, classes, std::move(samples));
  if (!found.left_out.empty()) {
    data->add_note(fmt::format("{}: left out: {}", where, found.left_out.text()));
  }
  for (const auto& [what, folders] : {std::pair("without pictures", &found.empty),
                                      std::pair("of other splits", &found.other_splits)}) {
    if (!folders->empty()) {
      data->add_note(fmt::format("{}: {} {}: {}", where,
                                 counted(static_cast<int64_t>(folders->size()), "folder"), what,
                                 name_list(*folders)));
    }
  }
  if (split == "train") {
    add_doubts(options, names, *data);
  }
  if (split == "train" && options.train.empty() && folder != options.root) {
    const std::vector<std::string> unused = unused_folders(options);
    if (!unused.empty()) {
      data->add_note(fmt::format("{}: not used, since the training split is {}: {}",
                                 printable(options.root.native()),
                                 printable(folder.filename().native()), name_list(unused)));
    }
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
