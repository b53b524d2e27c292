// A split of a data set that is described by CSV lists.
#include <algorithm>
#include <fstream>
#include <optional>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/csv.h"
#include "data/formats/csv_place.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostBytes = int64_t{4} << 30;

struct CsvChoice {
  fs::path file;
  std::string word;    // of the split column, if the file has one; "" = the split's usual words
  bool shared = true;  // by several splits, which a column distinguishes
};

// A file's ending, in small letters.
std::string ending_of(const fs::path& path) { return lower_case(path.extension().native()); }

bool is_list(const fs::path& path) {
  return ending_of(path) == ".csv" || ending_of(path) == ".tsv";
}

// The list in a split's own folder: Roboflow's _classes.csv, metadata.csv, or the only one.
std::optional<fs::path> list_in(const fs::path& folder) {
  std::vector<fs::path> lists;
  for (const fs::path& path : sorted_entries(folder)) {
    if (path.filename() == "_classes.csv" || path.filename() == "metadata.csv") {
      return path;
    }
    if (is_list(path)) {
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
std::optional<fs::path> own_list(const fs::path& root, const std::string& split) {
  std::vector<fs::path> found;
  for (const fs::path& path : sorted_entries(root)) {
    std::error_code error;
    const std::string stem = path.stem().native();
    if (split_of_word(path.filename().native()) == split && fs::is_directory(path, error)) {
      const std::optional<fs::path> list = list_in(path);
      if (list) {
        found.push_back(*list);
      }
    } else if (stem == split && (is_list(path) || ending_of(path) == ".txt")) {
      return path;
    } else if ((is_list(path) && split_in_name(stem) == split) ||
               (ending_of(path) == ".txt" && split_of_word(stem) == split)) {
      found.push_back(path);
    }
  }
  require<DataError>(found.size() < 2, "{}: several lists for split '{}', {}; name one in data.{}",
                     printable(root.native()), split, names_of(found), split);
  return found.empty() ? std::nullopt : std::optional(found[0]);
}

CsvChoice choose_csv(const fs::path& root, const std::string& word, const std::string& split) {
  if (!word.empty() && (is_list(word) || ending_of(word) == ".txt")) {
    return {root / word, "", false};
  }
  std::error_code error;
  if (!word.empty() && fs::is_directory(root / word, error)) {
    const std::optional<fs::path> list = list_in(root / word);
    require<DataError>(list.has_value(), "{}: expected one .csv or .tsv list in this folder; name "
                       "the list itself in data.{}", printable((root / word).native()), split);
    return {*list, "", false};
  }
  for (const fs::path& path : sorted_entries(root)) {
    if (is_list(path) && lower_case(path.stem().native()) == "data") {
      return {path, word, true};
    }
  }
  const std::optional<fs::path> own = own_list(root, split);
  if (own) {
    return {*own, word, !word.empty()};
  }
  std::vector<fs::path> others;
  bool by_split = false;
  for (const fs::path& path : sorted_entries(root)) {
    if (is_list(path)) {
      others.push_back(path);
      by_split = by_split || !split_in_name(path.stem().native()).empty();
    }
  }
  if (others.size() == 1 && !by_split) {
    return {others[0], word, true};
  }
  fail<NoSplit>("{}: no CSV list for split '{}': looked for data.csv and {}.csv{}; name the file "
                "in data.{}",
                printable(root.native()), split, split,
                others.empty() ? "" : ", found " + names_of(others), split);
}

// Which of the file's splits are meant; all false if it has none.
std::vector<bool> wanted_splits(const LabelCsv& csv, const CsvChoice& choice,
                                const std::string& split) {
  require<NoSplit>(!csv.splits.empty() || !choice.shared || split == "train",
                   "{}: no split column, so every row belongs to split 'train'; name a file for "
                   "'{}' in data.{}", csv.name, split, split);
  std::vector<bool> wanted;
  for (const std::string& word : csv.splits) {
    wanted.push_back(choice.word.empty() ? split_of_word(word) == split || word == split
                                         : word == choice.word);
  }
  require<NoSplit>(csv.splits.empty() || std::ranges::count(wanted, true) > 0,
                   "{}: no rows for split '{}'; the split column has {}; choose one in data.{}",
                   csv.name, printable(choice.word.empty() ? split : choice.word),
                   name_list(csv.splits), split);
  return wanted;
}

// "; 3 rows in no split ('extra', 'holdout')", for a note, or "".
std::string rows_in_no_split(const LabelCsv& csv, const DataOptions& options) {
  std::vector<bool> lost;
  std::vector<std::string> words;
  for (const std::string& word : csv.splits) {
    const bool named = word == options.train || word == options.val || word == options.test;
    lost.push_back(word.empty() || (split_of_word(word).empty() && !named));
    if (lost.back()) {
      words.push_back("'" + word + "'");
    }
  }
  const auto rows = std::ranges::count_if(csv.rows, [&](const LabelCsv::Row& row) {
    return row.split >= 0 && lost[static_cast<size_t>(row.split)];
  });
  return rows == 0 ? "" : fmt::format("; {} in no split, by the words {}", counted(rows, "row"),
                                      name_list(words));
}

// The first paths of the rows with the wanted splits.
std::vector<std::string> first_paths(const LabelCsv& csv, const std::vector<bool>& wanted) {
  std::vector<std::string> first;
  for (const LabelCsv::Row& row : csv.rows) {
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
bool train_says_so(const LabelCsv& csv, const DataOptions& options, const CsvChoice& choice,
                   const std::string& note) {
  try {
    const CsvChoice train = choose_csv(options.root, options.train, "train");
    const std::vector<std::string> first = first_paths(csv, wanted_splits(csv, train, "train"));
    return train.file == choice.file &&
           note_of(csv_picture_place(options, train.file, "train", first), options.root) == note;
  } catch (const DataError&) {
    return false;  // it is not in this list
  }
}

// The labels that the split uses but the class list lacks.
std::vector<std::string> unknown_labels(const LabelCsv& csv, const ClassList& classes) {
  std::vector<bool> used(csv.classes.size());
  for (const LabelCsv::Row& row : csv.rows) {
    for (const int32_t label : row.labels) {
      used[static_cast<size_t>(label)] = true;
    }
  }
  std::vector<std::string> unknown;
  for (size_t i = 0; i < csv.classes.size(); ++i) {
    if (used[i] && classes.column(csv.classes[i]) < 0) {
      unknown.push_back(csv.classes[i]);
    }
  }
  return unknown;
}

std::unique_ptr<Dataset> open_csv(const DataOptions& options, const std::string& split, Purpose) {
  const CsvChoice choice = choose_csv(options.root, split_option(options, split), split);
  const std::string name = printable(choice.file.native());
  const CsvHints hints{
      options.label_separator, options.columns,
      options.known_classes.empty() ? options.label_space.names : options.known_classes};
  LabelCsv csv = parse_label_csv(read_text_file(choice.file, kMostBytes), name, hints,
                                 WrittenPaths(options.root));
  std::string note = csv.note() + rows_in_no_split(csv, options);
  const std::vector<bool> wanted = wanted_splits(csv, choice, split);
  const PicturePlace place =
      csv_picture_place(options, choice.file, split, first_paths(csv, wanted));
  const std::string place_text = note_of(place, options.root);
  const bool told = split != "train" && choice.shared && !options.known_classes.empty() &&
                    place.found && train_says_so(csv, options, choice, place_text);
  note += place_text;
  std::erase_if(csv.rows, [&](const LabelCsv::Row& row) {
    return row.split >= 0 && !wanted[static_cast<size_t>(row.split)];
  });

  const ClassList classes(options, csv.classes, name);
  require_known(unknown_labels(csv, classes), classes, name);
  std::vector<int32_t> column_of;
  for (const std::string& label : csv.classes) {
    column_of.push_back(classes.column(label));
  }
  SampleList samples(options.unlabelled, split_limit(options, split), name);
  std::vector<LabelEntry> labels;
  for (LabelCsv::Row& row : csv.rows) {
    labels.clear();
    for (const int32_t label : row.labels) {
      labels.push_back({.column = column_of[static_cast<size_t>(label)]});
    }
    for (const int32_t label : row.unknown) {
      const int32_t column = column_of[static_cast<size_t>(label)];
      if (column >= 0) {  // else it is not a class of the training split
        labels.push_back({.column = column, .label = Label::unknown});
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

// A text file whose lines hold more than a path.
bool is_text_list(const fs::path& path) {
  std::error_code error;
  if (ending_of(path) != ".txt" || !fs::is_regular_file(path, error)) {
    return false;  // a pipe would not end
  }
  std::ifstream file(path);
  std::string start(4096, '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(file.gcount()));
  const std::string_view line = std::string_view(start).substr(0, start.find('\n'));
  return trimmed(line).find_first_of(" ,;\t") != std::string_view::npos;
}

// Detects lists named after splits; lists with such words in their names only if there are no
// folders of pictures, since a list beside those may be anything.
bool is_csv(const DataOptions& options) {
  const fs::path& root = options.root;
  if (is_list(options.train) || is_text_list(root / options.train)) {
    return true;
  }
  bool named = false;
  for (const fs::path& path : sorted_entries(root)) {
    const std::string stem = path.stem().native();
    const bool split = !split_of_word(stem).empty();
    std::error_code error;
    if ((is_list(path) && (lower_case(stem) == "data" || split)) || (split && is_text_list(path)) ||
        (split && (fs::exists(path / "_classes.csv", error) ||
                   fs::exists(path / "metadata.csv", error)))) {
      return true;
    }
    named = named || (is_list(path) && !split_in_name(stem).empty());
  }
  return named && !folder_format.detect(options);
}

}  // namespace

const DataFormat csv_format = {
    .name = "csv",
    .looks_like = "data.csv or train.csv",
    .splits = "a list (.csv, .tsv, .txt), a word of the split column, or a folder with a list",
    .detect = is_csv,
    .open = open_csv,
};

}  // namespace mld
