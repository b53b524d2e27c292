#include "data/formats/csv_layout.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_facts.h"
#include "data/formats/csv_text.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr size_t kSample = 1000;           // records looked at to find the columns,
constexpr size_t kSampleFields = 1000000;  // and fields, of more than one record

// The first records; fewer if one of them cannot be read.
std::vector<CsvRecord> first_records(std::string_view text, const std::string& name,
                                     char delimiter) {
  std::vector<CsvRecord> records;
  CsvReader reader(text, name, delimiter);
  size_t fields = 0;
  try {
    for (CsvRecord record; records.size() < kSample &&
                           (records.size() < 2 || fields < kSampleFields) &&
                           reader.next(record.fields, record.line);) {
      fields += record.fields.size();
      records.push_back(record);
    }
  } catch (const DataError&) {  // reading the whole file will report it
  }
  return records;
}

// The number of cells in the first records that look like paths and hold no other delimiter.
int64_t count_paths(const std::vector<CsvRecord>& records) {
  int64_t count = 0;
  for (const CsvRecord& record : records) {
    count += std::ranges::count_if(record.fields, [](const std::string& field) {
      return looks_like_path(trimmed(field)) && field.find_first_of(",;\t|") == std::string::npos;
    });
  }
  return count;
}

// The delimiter that gives all records the same number of fields, at least two; if there are
// several, the one that finds the most paths.
char choose_delimiter(std::string_view text, const std::string& name) {
  char best = ',', first = ' ';
  int64_t best_paths = -1;
  for (const char delimiter : {',', '\t', ';', '|', ' '}) {
    const std::vector<CsvRecord> records = first_records(text, name, delimiter);
    const size_t columns = records.empty() ? 0 : records[0].fields.size();
    const bool even = std::ranges::all_of(records, [&](const CsvRecord& record) {
      return record.fields.size() == columns;
    });
    if (columns < 2) {
      continue;
    }
    const int64_t paths = count_paths(records);
    if (even && (best_paths < 0 || (delimiter != ' ' && paths > best_paths))) {
      best_paths = paths;
      best = delimiter;
    }
    first = first == ' ' ? delimiter : first;
  }
  return best_paths < 0 ? first : best;  // reading the file will name the line at fault
}

// The distinct cells of the labels columns.
struct Evidence {
  struct Cell {
    std::string text;
    int64_t line;
    bool bracketed;
  };
  std::vector<Cell> cells;                // those that are not lists
  std::unordered_set<std::string> whole;  // labels from lists, and known classes
  int64_t lists = 0;
  std::set<size_t> lengths;  // of the lists
};

Evidence collect(std::string_view text, const std::string& name, const CsvHints& hints,
                 const CsvLayout& layout) {
  Evidence evidence;
  evidence.whole.insert(hints.class_names.begin(), hints.class_names.end());
  std::unordered_set<std::string> seen;
  CsvReader reader(text, name, layout.delimiter);
  std::vector<std::string> fields;
  bool header = layout.header;
  for (int64_t line = 0; reader.next(fields, line); header = false) {
    for (size_t c = 0; !header && c < std::min(fields.size(), layout.columns.size()); ++c) {
      if (layout.columns[c] != CsvColumn::labels || !seen.insert(fields[c]).second) {
        continue;
      }
      LabelCell cell = parse_label_cell(fields[c], fmt::format("{}:{}", name, line));
      if (cell.list) {
        evidence.whole.insert(cell.labels.begin(), cell.labels.end());
        evidence.lengths.insert(cell.labels.size());
        ++evidence.lists;
      } else {
        evidence.cells.push_back({std::move(cell.text), line, cell.bracketed});
      }
    }
  }
  return evidence;
}

[[noreturn]] void unclear(const std::string& name, const Evidence::Cell& cell, char separator) {
  fail<DataError>("{}:{}: '{}' may be one label or several, separated by {}; set "
                  "data.label_separator to \"{}\", or to \"none\" if a cell is one label",
                  name, cell.line, printable(cell.text),
                  separator == ' ' ? "blanks" : fmt::format("'{}'", separator), separator);
}

// Names such as "Tinca tinca, tench" have commas too. Commas are separators if at least half of the
// cells with one share a label with another cell.
void require_list_of_commas(const Evidence& evidence, const std::string& name) {
  std::map<std::string, int64_t> cells_of;
  for (const Evidence::Cell& cell : evidence.cells) {
    for (const std::string& label : split_labels(cell.text, ",")) {
      ++cells_of[label];
    }
  }
  int64_t lists = 0, sharing = 0;
  const Evidence::Cell* doubtful = nullptr;
  for (const Evidence::Cell& cell : evidence.cells) {
    const std::vector<std::string> labels = split_labels(cell.text, ",");
    if (labels.size() > 1) {
      const bool shares = std::ranges::any_of(labels, [&](const std::string& label) {
        return cells_of[label] > 1 || evidence.whole.contains(label);
      });
      ++lists;
      sharing += shares;
      doubtful = shares ? doubtful : &cell;
    }
  }
  if (2 * sharing < lists) {
    unclear(name, *doubtful, ',');
  }
}

// Blanks separate labels or belong to names ("traffic light"). They are separators if nine tenths
// of the cells with a blank consist of labels that also occur alone; they are not if splitting
// would not even reduce the number of distinct labels, or no cell consists of words that occur in
// other cells. In brackets they separate numbers only, as NumPy prints them.
bool blanks_separate(const Evidence& evidence, const std::string& name) {
  std::map<std::string, int64_t> cells_of;
  std::set<size_t> lengths;
  std::unordered_set<std::string> alone = evidence.whole;
  bool numbers = true, brackets = evidence.lists > 0;
  int64_t lists = 0;
  for (const Evidence::Cell& cell : evidence.cells) {
    brackets = brackets || cell.bracketed;
    const std::vector<std::string> words = split_labels(cell.text, " ");
    for (const std::string& word : words) {
      ++cells_of[word];
      numbers = numbers && word.find_first_not_of("0123456789.") == std::string::npos;
    }
    lengths.insert(words.size());
    if (words.size() == 1) {
      alone.insert(words[0]);
    } else {
      ++lists;
    }
  }
  if (lists == 0 || numbers || brackets) {
    return lists > 0 && numbers;
  }
  int64_t of_alone = 0, of_shared = 0;
  const Evidence::Cell* example = nullptr;
  for (const Evidence::Cell& cell : evidence.cells) {
    const std::vector<std::string> words = split_labels(cell.text, " ");
    if (words.size() < 2) {
      continue;
    }
    if (evidence.whole.contains(cell.text)) {
      return false;  // a label known to contain a blank
    }
    of_alone += std::ranges::all_of(words, [&](const auto& word) { return alone.contains(word); });
    if (std::ranges::all_of(words, [&](const auto& word) {
          return cells_of[word] > 1 || evidence.whole.contains(word);
        })) {
      ++of_shared;
      example = &cell;
    }
  }
  const bool enough_words = lengths.size() > 3 && 10 * of_shared >= 9 * lists;
  if (10 * of_alone >= 9 * lists || enough_words) {
    return true;
  }
  if (of_shared == 0 || cells_of.size() >= evidence.cells.size()) {
    return false;
  }
  unclear(name, *example, ' ');
}

// [1, 0, 0, 1] is a row of indicators: nothing says which classes they stand for.
void refuse_indicator_rows(const Evidence& evidence, const std::string& name,
                           std::string_view separator) {
  const auto is_indicator = [](const std::string& label) { return indicator_value(label) >= -1; };
  std::set<size_t> lengths = evidence.lengths;
  bool indicators = evidence.lists == 0 || std::ranges::all_of(evidence.whole, is_indicator);
  for (const Evidence::Cell& cell : evidence.cells) {
    const std::vector<std::string> labels = split_labels(cell.text, separator);
    lengths.insert(labels.size());
    indicators = indicators && std::ranges::all_of(labels, is_indicator);
  }
  require<DataError>(!indicators || lengths.size() != 1 || *lengths.begin() < 2,
                     "{}: the labels of every row are {} numbers 0 and 1, for classes whose names "
                     "are not said; write one column per class, with a header", name,
                     *lengths.begin());
}

}  // namespace

void find_separator(std::string_view text, const std::string& name, const CsvHints& hints,
                    CsvLayout& layout) {
  if (!layout.has(CsvColumn::labels)) {
    return;
  }
  if (hints.separator != "auto") {
    layout.whole_cells = hints.separator == "none";
    layout.separator = layout.whole_cells ? "" : hints.separator;
    return;
  }
  const Evidence evidence = collect(text, name, hints, layout);
  std::map<char, int64_t> first_line;
  for (const Evidence::Cell& cell : evidence.cells) {
    for (const char separator : {',', '|', ';'}) {
      if (cell.text.find(separator) != std::string::npos) {
        first_line.emplace(separator, cell.line);
      }
    }
  }
  if (first_line.size() > 1) {
    const auto one = first_line.begin(), other = std::next(one);
    fail<DataError>("{}: labels may be separated by '{}' (line {}) or by '{}' (line {}); set "
                    "data.label_separator to one of them", name, one->first, one->second,
                    other->first, other->second);
  }
  layout.lists = evidence.lists > 0;
  if (!first_line.empty()) {
    layout.separator = first_line.begin()->first;
    if (layout.separator == ",") {
      require_list_of_commas(evidence, name);
    }
  } else if (blanks_separate(evidence, name)) {
    layout.separator = " ";
  } else {
    const auto blank = std::ranges::find_if(evidence.cells, [&](const Evidence::Cell& cell) {
      return split_labels(cell.text, " ").size() > 1 && !evidence.whole.contains(cell.text);
    });
    layout.example = blank == evidence.cells.end() ? "" : blank->text;
  }
  refuse_indicator_rows(evidence, name, layout.separator);
}

bool CsvLayout::has(CsvColumn column) const {
  return std::ranges::find(columns, column) != columns.end();
}

CsvLayout understand_csv(std::string_view text, const std::string& name, const CsvHints& hints) {
  CsvLayout layout;
  layout.delimiter = choose_delimiter(text, name);
  std::vector<CsvRecord> sample = first_records(text, name, layout.delimiter);
  const char* expected = "expected path,labels or path,labels,split";
  CsvRecord first;
  require<DataError>(CsvReader(text, name).next(first.fields, first.line) && !sample.empty(),
                     "{}: no rows, {}", name, expected);
  const size_t columns = sample[0].fields.size();
  require<DataError>(columns > 1, "{}:{}: 1 column, {}", name, sample[0].line, expected);
  std::erase_if(sample, [&](const CsvRecord& record) { return record.fields.size() != columns; });
  find_columns(sample, name, hints, layout);
  find_separator(text, name, hints, layout);
  return layout;
}

std::string CsvLayout::labels_text() const {
  if (separator.empty() && !example.empty()) {
    return fmt::format("{}, blanks do not separate labels in '{}' (data.label_separator = \" \" if "
                       "they do)", lists ? "labels as lists" : "one label a cell",
                       printable(example));
  }
  return has(CsvColumn::indicator) ? "one column per class"
         : lists                   ? "labels as lists"
         : separator.empty()       ? "one label a cell"
         : separator == " "        ? "labels separated by blanks"
         : separator == ","        ? "labels separated by commas"
                                   : "labels separated by " + printable(separator);
}

std::string CsvLayout::columns_text() const {
  std::string result = header ? "" : "; no header";
  if (delimiter != ',') {
    result += "; columns separated by " + (delimiter == '\t'  ? "tabs"
                                           : delimiter == ' ' ? "blanks"
                                                              : fmt::format("'{}'", delimiter));
  }
  std::vector<std::string> unused;
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] == CsvColumn::unused) {
      unused.push_back(header && !names[c].empty() ? names[c] : fmt::format("column {}", c + 1));
    }
  }
  return unused.empty() ? result : result + "; not used: " + name_list(unused, 8);
}

}  // namespace mld
