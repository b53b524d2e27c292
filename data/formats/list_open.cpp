#include "data/formats/list_open.h"

#include <algorithm>
#include <fstream>
#include <optional>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/csv_place.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

struct ListChoice {
  fs::path file;
  std::string word;    // of the split column, if the file has one; "" = the split's usual words
  bool shared = true;  // by several splits, which a column distinguishes
};

// A file's ending, in small letters.
std::string ending_of(const fs::path& path) { return lower_case(path.extension().native()); }

bool is_text(const ListKind& kind, const fs::path& path) {
  return kind.text_files && ending_of(path) == ".txt";
}

// A text file whose lines hold more than a path.
bool is_text_list(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return false;  // a pipe would not end
  }
  std::ifstream file(path);
  std::string start(4096, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(file.gcount()));
  const std::string_view line = std::string_view(start).substr(0, start.find('\n'));
  return trimmed(line).find_first_of(" ,;\t") != std::string_view::npos;
}

// The list in a split's own folder: Roboflow's _classes.csv, metadata.csv, or the only one.
std::optional<fs::path> list_in(const ListKind& kind, const fs::path& folder) {
  std::vector<fs::path> lists;
  for (const fs::path& path : sorted_entries(folder)) {
    if (std::ranges::count(kind.of_folder, path.filename().native()) > 0) {
      return path;
    }
    if (kind.is_list(path)) {
      lists.push_back(path);
    }
  }
  return lists.size() == 1 ? std::optional(lists[0]) : std::nullopt;
}

std::string names_of(const std::vector<fs::path>& paths) {
  std::vector<std::string> names;
  for (const fs::path& path : paths) {
    names.push_back(path.filename().native());
  }
  return name_list(names);
}

// The split's own list: train.csv, valid.tsv, train.txt, train_labels.csv, train/_classes.csv.
std::optional<fs::path> own_list(const ListKind& kind, const fs::path& root,
                                 const std::string& split) {
  std::vector<fs::path> found;
  for (const fs::path& path : sorted_entries(root)) {
    std::error_code error;
    const std::string stem = path.stem().native();
    if (split_of_word(path.filename().native()) == split && fs::is_directory(path, error)) {
      const std::optional<fs::path> list = list_in(kind, path);
      if (list) {
        found.push_back(*list);
      }
    } else if (stem == split && (kind.is_list(path) || is_text(kind, path))) {
      return path;
    } else if ((kind.is_list(path) && split_in_name(stem) == split) ||
               (is_text(kind, path) && split_of_word(stem) == split)) {
      found.push_back(path);
    }
  }
  require<DataError>(found.size() < 2, "{}: several lists for split '{}', {}; name one in data.{}",
                     printable(root.native()), split, names_of(found), split);
  return found.empty() ? std::nullopt : std::optional(found[0]);
}

ListChoice choose_list(const ListKind& kind, const fs::path& root, const std::string& word,
                       const std::string& split) {
  if (!word.empty() && (kind.is_list(word) || is_text(kind, word))) {
    return {root / word, "", false};
  }
  std::error_code error;
  if (!word.empty() && fs::is_directory(root / word, error)) {
    const std::optional<fs::path> list = list_in(kind, root / word);
    require<DataError>(list.has_value(), "{}: expected one {} list in this folder; name the list "
                       "itself in data.{}", printable((root / word).native()), kind.endings, split);
    return {*list, "", false};
  }
  for (const fs::path& path : sorted_entries(root)) {
    if (kind.is_list(path) && lower_case(path.stem().native()) == "data") {
      return {path, word, true};
    }
  }
  const std::optional<fs::path> own = own_list(kind, root, split);
  if (own) {
    return {*own, word, !word.empty()};
  }
  std::vector<fs::path> others;
  bool by_split = false;
  for (const fs::path& path : sorted_entries(root)) {
    if (kind.is_list(path)) {
      others.push_back(path);
      by_split = by_split || !split_in_name(path.stem().native()).empty();
    }
  }
  if (others.size() == 1 && !by_split) {
    return {others[0], word, true};
  }
  fail<NoSplit>("{}: no {} for split '{}': looked for data{} and {}{}{}; name the file in data.{}",
                printable(root.native()), kind.name, split, kind.ending, split, kind.ending,
                others.empty() ? "" : ", found " + names_of(others), split);
}

// Which of the file's splits are meant; all false if it has none.
std::vector<bool> wanted_splits(const LabelList& list, const ListChoice& choice,
                                const std::string& split) {
  require<NoSplit>(!list.splits.empty() || !choice.shared || split == "train",
                   "{}: no split column, so every row belongs to split 'train'; name a file for "
                   "'{}' in data.{}", list.name, split, split);
  std::vector<bool> wanted;
  for (const std::string& word : list.splits) {
    wanted.push_back(choice.word.empty() ? split_of_word(word) == split || word == split
                                         : word == choice.word);
  }
  require<NoSplit>(list.splits.empty() || std::ranges::count(wanted, true) > 0,
                   "{}: no rows for split '{}'; the split column has {}; choose one in data.{}",
                   list.name, printable(choice.word.empty() ? split : choice.word),
                   name_list(list.splits), split);
  return wanted;
}

// "; 3 rows in no split ('extra', 'holdout')", for a note, or "".
std::string rows_in_no_split(const LabelList& list, const DataOptions& options) {
  std::vector<bool> lost;
  std::vector<std::string> words;
  for (const std::string& word : list.splits) {
    const bool named = word == options.train || word == options.val || word == options.test;
    lost.push_back(word.empty() || (split_of_word(word).empty() && !named));
    if (lost.back()) {
      words.push_back("'" + word + "'");
    }
  }
  const auto rows = std::ranges::count_if(list.rows, [&](const LabelList::Row& row) {
    return row.split >= 0 && lost[static_cast<size_t>(row.split)];
  });
  return rows == 0 ? "" : fmt::format("; {} in no split, by the words {}", counted(rows, "row"),
                                      name_list(words));
}

// The first paths of the rows with the wanted splits.
std::vector<std::string> first_paths(const LabelList& list, const std::vector<bool>& wanted) {
  std::vector<std::string> first;
  for (const LabelList::Row& row : list.rows) {
    if (first.size() < kPicturesTried &&
        (row.split < 0 || wanted[static_cast<size_t>(row.split)])) {
      first.push_back(row.path);
    }
  }
  return first;
}

// What must be known about the place of the pictures.
std::string note_of(const PicturePlace& place, const fs::path& root) {
  const std::string below = prefix_of(place.folder, root);
  std::string note;
  for (const std::string& what : {below.empty() ? "" : "paths start from " + printable(below),
                                  place_note(place)}) {
    note += what.empty() ? "" : "; " + what;
  }
  return note;
}

// Whether the training split shares the list and its notes say the same.
bool train_says_so(const ListKind& kind, const LabelList& list, const DataOptions& options,
                   const ListChoice& choice, const std::string& note) {
  try {
    const ListChoice train = choose_list(kind, options.root, options.train, "train");
    const std::vector<std::string> first = first_paths(list, wanted_splits(list, train, "train"));
    return train.file == choice.file &&
           note_of(csv_picture_place(options, train.file, "train", first), options.root) == note;
  } catch (const DataError&) {
    return false;  // it is not in this list
  }
}

// The split's own classes that it uses but the class list lacks.
std::vector<std::string> unknown_labels(const LabelList& list, const std::vector<bool>& own,
                                        const ClassList& classes) {
  std::vector<bool> used(list.classes.size());
  for (const LabelList::Row& row : list.rows) {
    for (const int32_t label : row.labels) {
      used[static_cast<size_t>(label)] = true;
    }
  }
  std::vector<std::string> unknown;
  for (size_t i = 0; i < list.classes.size(); ++i) {
    if (used[i] && own[i] && classes.column(list.classes[i]) < 0) {
      unknown.push_back(list.classes[i]);
    }
  }
  return unknown;
}

}  // namespace

std::unique_ptr<Dataset> open_list(const ListKind& kind, const DataOptions& options,
                                   const std::string& split) {
  const ListChoice choice = choose_list(kind, options.root, split_option(options, split), split);
  const std::string name = printable(choice.file.native());
  std::string note;
  LabelList list = kind.read(choice.file, options, note);
  note += rows_in_no_split(list, options);
  const std::vector<bool> wanted = wanted_splits(list, choice, split);
  const PicturePlace place =
      csv_picture_place(options, choice.file, split, first_paths(list, wanted));
  const std::string place_text = note_of(place, options.root);
  const bool told = split != "train" && choice.shared && !options.known_classes.empty() &&
                    place.found && train_says_so(kind, list, options, choice, place_text);
  note += place_text;
  std::erase_if(list.rows, [&](const LabelList::Row& row) {
    return row.split >= 0 && !wanted[static_cast<size_t>(row.split)];
  });

  const std::vector<bool> own = kind.select != nullptr
                                    ? kind.select(list, choice.file, split, note)
                                    : std::vector<bool>(list.classes.size(), true);
  std::vector<std::string> own_names;
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i]) {
      own_names.push_back(list.classes[i]);
    }
  }
  const ClassList classes(options, std::move(own_names), name);
  require_known(unknown_labels(list, own, classes), classes, name);
  std::vector<int32_t> column_of;
  for (const std::string& label : list.classes) {
    column_of.push_back(classes.column(label));
  }
  SampleList samples(options.unlabelled, split_limit(options, split), name);
  std::vector<LabelEntry> labels;
  for (LabelList::Row& row : list.rows) {
    labels.clear();
    for (const auto& [numbers, what] : {std::pair(&row.labels, Label::present),
                                        std::pair(&row.unknown, Label::unknown)}) {
      for (const int32_t label : *numbers) {
        const int32_t column = column_of[static_cast<size_t>(label)];
        if (column >= 0) {  // else it is not a class of this split or of the training split
          labels.push_back({.column = column, .label = what});
        }
      }
    }
    samples.add(place.file(std::move(row.path)), labels);
  }
  samples.finish();
  auto data = std::make_unique<FileDataset>(
      FileDataset::Place{place.folder, options.root, true, options.decode}, classes,
      std::move(samples));
  if (!told) {
    data->add_note(std::move(note));
  }
  return data;
}

bool has_lists(const ListKind& kind, const DataOptions& options) {
  const fs::path& root = options.root;
  if (kind.is_list(options.train) ||
      (is_text(kind, options.train) && is_text_list(root / options.train))) {
    return true;
  }
  bool named = false;
  for (const fs::path& path : sorted_entries(root)) {
    const std::string stem = path.stem().native();
    const bool split = !split_of_word(stem).empty();
    std::error_code error;
    if ((kind.is_list(path) && (lower_case(stem) == "data" || split)) ||
        (split && is_text(kind, path) && is_text_list(path)) ||
        (split && std::ranges::any_of(kind.of_folder, [&](std::string_view name) {
           return fs::exists(path / name, error);
         }))) {
      return true;
    }
    named = named || (kind.is_list(path) && !split_in_name(stem).empty());
  }
  return named && !folder_format.detect(options);
}

}  // namespace mld
