// Pictures with a text file each: images/a.jpg, labels/a.txt (a label a line), and the class names
// in classnames.txt. Splits are folders (images/train, train/images) or lists (train.txt).
#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostLabelBytes = int64_t{16} << 20;
constexpr int64_t kMostListBytes = int64_t{1} << 30;

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// The folders of a split's pictures and label files.
struct Pair {
  fs::path images, labels;
  bool there() const { return is_folder(images) && is_folder(labels); }
};

fs::path names_file(const fs::path& root) {
  for (const char* name : {"classnames.txt", "classes.txt", "labels/classnames.txt",
                           "labels/classes.txt"}) {
    std::error_code error;
    if (fs::is_regular_file(root / name, error)) {
      return root / name;
    }
  }
  return {};
}

// The words of a line of numbers, as YOLO writes a box: class, centre, size.
bool is_box(const std::string& line) {
  const auto words = std::ranges::count(line, ' ') + std::ranges::count(line, '\t') + 1;
  return words >= 5 && line.find('.') != std::string::npos &&
         line.find_first_not_of("0123456789.eE+- \t") == std::string::npos;
}

// The folders of a split that is a folder itself, named by a word.
std::optional<Pair> folders_named(const fs::path& root, const std::string& word) {
  for (const Pair& pair : {Pair{root / "images" / word, root / "labels" / word},
                           Pair{root / word / "images", root / word / "labels"}}) {
    if (pair.there()) {
      return pair;
    }
  }
  return std::nullopt;
}

std::optional<Pair> folders_of_split(const fs::path& root, const std::string& split) {
  std::error_code error;
  for (const fs::path& above : {root / "images", root}) {
    for (const fs::path& entry : sorted_entries(above, error)) {
      const std::string name = entry.filename().native();
      if (split_of_word(name) == split && folders_named(root, name)) {
        return folders_named(root, name);
      }
    }
  }
  return std::nullopt;
}

struct Chosen {
  Pair folders;
  fs::path list;  // of some of the pictures; empty = all
};

Chosen choose(const DataOptions& options, const std::string& split) {
  const fs::path& root = options.root;
  const std::string& word = split_option(options, split);
  const Pair whole{root / "images", root / "labels"};
  if (lower_case(fs::path(word).extension().native()) == ".txt") {
    return {whole, root / word};
  }
  const auto folders = word.empty() ? folders_of_split(root, split) : folders_named(root, word);
  if (folders) {
    return {*folders, {}};
  }
  std::error_code error;
  for (const fs::path& path : sorted_entries(root, error)) {
    if (word.empty() && lower_case(path.extension().native()) == ".txt" &&
        split_of_word(path.stem().native()) == split) {
      return {whole, path};
    }
  }
  const bool all = word.empty() && split == "train" && whole.there() &&
                   !folders_of_split(root, "val") && !folders_of_split(root, "test");
  require<NoSplit>(all, "{}: no pictures with text files for split '{}': looked for images/{} and "
                   "labels/{}, {}/images and {}/labels, and {}.txt; name one in data.{}",
                   printable(root.native()), split, split, split, split, split, split, split);
  return {whole, {}};
}

// A path without its extension.
std::string stem_of(const std::string& path) {
  return fs::path(path).replace_extension().native();
}

// The pictures that a list names, by their path or without its extension.
std::vector<std::string> listed(const fs::path& list, const std::vector<std::string>& pictures) {
  const std::string name = printable(list.native());
  const std::string file = read_text_file(list, kMostListBytes);
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < pictures.size(); ++i) {
    places.emplace(pictures[i], i);
    places.emplace(stem_of(pictures[i]), i);
  }
  std::vector<std::string> found;
  std::set<size_t> seen;
  for_filled_lines(without_mark(file, name), [&](std::string_view line, int64_t number) {
    for (const std::string_view prefix : {"./", "images/"}) {
      line.remove_prefix(line.starts_with(prefix) ? prefix.size() : 0);
    }
    const auto place = places.find(std::string(line));
    require<DataError>(place != places.end(), "{}:{}: '{}' is no picture in images/; write paths "
                       "below it, a line each", name, number, printable(line));
    require<DataError>(seen.insert(place->second).second, "{}:{}: '{}' occurs twice", name, number,
                       printable(line));
    found.push_back(pictures[place->second]);
  });
  require<DataError>(!found.empty(), "{}: the list is empty", name);
  return found;
}

// Understands lines by the list of class names, if there is one.
class Names {
 public:
  explicit Names(const fs::path& file) : file_(file) {
    if (!file.empty()) {
      names_ = filled_lines(read_text_file(file, kMostLabelBytes));
      known_.insert(names_.begin(), names_.end());
    }
  }
  const std::vector<std::string>& all() const { return names_; }

  // The labels of a line: one, or several separated by commas or blanks.
  std::vector<std::string> labels_of(const std::string& line, const std::string& where) const {
    require<DataError>(!is_box(line), "{}: '{}' is a box, as detection data sets of YOLO have "
                       "them; export them as COCO (data.format = \"coco\") or VOC", where,
                       printable(line));
    require<DataError>(is_utf8(line), "{}: '{}' is not UTF-8", where, printable(line));
    if (names_.empty() || known_.contains(line)) {
      return {line};
    }
    for (const std::string_view separator : {",", " "}) {
      std::vector<std::string> labels = parts_of(line, separator);
      const auto flags = std::ranges::count_if(labels, [](const std::string& part) {
        return part == "0" || part == "1";
      });
      require<DataError>(flags < std::ssize(labels) || labels.size() < 2 ||
                             labels.size() != names_.size(),
                         "{}: '{}' may be numbers of classes, or 1 and 0 for each of them; write a "
                         "class name a line", where, printable(line));
      if (std::ranges::all_of(labels, [&](std::string& part) { return name(part); })) {
        return labels;
      }
    }
    fail<DataError>("{}: '{}' is not among the {} of {}{}", where, printable(line),
                    counted(static_cast<int64_t>(names_.size()), "class"),
                    printable(file_.filename().native()), did_you_mean(line, names_));
  }

 private:
  static std::vector<std::string> parts_of(std::string_view line, std::string_view separator) {
    std::vector<std::string> parts;
    while (!line.empty()) {
      const size_t end = std::min(line.find(separator), line.size());
      if (const std::string_view part = trimmed(line.substr(0, end)); !part.empty()) {
        parts.emplace_back(part);
      }
      line.remove_prefix(std::min(end + 1, line.size()));
    }
    return parts;
  }

  // Turns a class's number into its name; false if it is neither.
  bool name(std::string& part) const {
    if (known_.contains(part)) {
      return true;
    }
    constexpr size_t kMostDigits = 9;
    if (part.size() > kMostDigits ||
        part.find_first_not_of("0123456789") != std::string::npos) {
      return false;
    }
    const size_t number = std::stoul(part);
    part = number < names_.size() ? names_[number] : part;
    return number < names_.size();
  }

  fs::path file_;
  std::vector<std::string> names_;
  std::set<std::string> known_;
};

std::unique_ptr<Dataset> open_text(const DataOptions& options, const std::string& split, Purpose) {
  const Chosen chosen = choose(options, split);
  const std::string where = printable(chosen.folders.labels.native());
  LeftOut left_out;
  std::vector<std::string> pictures =
      list_pictures(chosen.folders.images, chosen.folders.images, left_out);
  if (!chosen.list.empty()) {
    pictures = listed(chosen.list, pictures);
  }
  const Names names(names_file(options.root));
  std::vector<std::vector<std::string>> labels;
  std::set<std::string> used;
  int64_t without_file = 0;
  for (const std::string& picture : pictures) {
    const fs::path file = chosen.folders.labels / (stem_of(picture) + ".txt");
    labels.emplace_back();
    std::error_code error;
    if (!fs::exists(file, error)) {
      ++without_file;
      continue;
    }
    const fs::path inside = resolve_below(options.root, chosen.folders.labels,
                                          stem_of(picture) + ".txt");
    for (const std::string& line : filled_lines(read_text_file(inside, kMostLabelBytes))) {
      for (std::string& label : names.labels_of(line, printable(file.native()))) {
        used.insert(label);
        labels.back().push_back(std::move(label));
      }
    }
  }
  const ClassList classes(
      options, names.all().empty() ? std::vector(used.begin(), used.end()) : names.all(), where);
  std::vector<std::string> unknown;
  std::ranges::copy_if(used, std::back_inserter(unknown),
                       [&](const std::string& label) { return classes.column(label) < 0; });
  require_known(unknown, classes, where);
  SampleList samples(options.unlabelled, split_limit(options, split), where);
  std::vector<LabelEntry> entries;
  for (size_t i = 0; i < pictures.size(); ++i) {
    entries.clear();
    for (const std::string& label : labels[i]) {
      entries.push_back({.column = classes.column(label)});
    }
    samples.add(std::move(pictures[i]), entries);
  }
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{chosen.folders.images, options.root, false, options.decode}, classes,
      std::move(samples));
  if (without_file > 0) {
    data->add_note(fmt::format("{}: {} without a text file", where,
                               counted(without_file, "picture")));
  }
  if (!left_out.empty()) {
    data->add_note(fmt::format("{}: left out: {}", printable(chosen.folders.images.native()),
                               left_out.text()));
  }
  return data;
}

// The first line of the first text file that has one.
std::string first_line(const fs::path& labels) {
  std::error_code error;
  for (const fs::path& path : sorted_entries(labels, error)) {
    if (path.extension() == ".txt" && path != names_file(labels.parent_path())) {
      for (const std::string& line : filled_lines(read_text_file(path, kMostLabelBytes))) {
        return line;
      }
    }
  }
  return "";
}

// Boxes are left to the folder format, which says what to do with them.
bool is_text(const DataOptions& options) {
  if (names_file(options.root).empty()) {
    return false;
  }
  const auto train = folders_of_split(options.root, "train");
  const Pair folders = train ? *train : Pair{options.root / "images", options.root / "labels"};
  const std::string line = folders.there() ? first_line(folders.labels) : "";
  return !line.empty() && !is_box(line);
}

}  // namespace

const DataFormat text_format = {
    .name = "text",
    .looks_like = "images/, labels/*.txt and classnames.txt",
    .splits = "a folder in images/ and labels/ or with both, or a list of pictures (.txt)",
    .detect = is_text,
    .open = open_text,
};

}  // namespace mld
