#include "data/formats/csv.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

// Reads records from a text; see parse_csv.
class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) {
      at_ = 3;
    }
  }

  int64_t line() const { return line_; }

  // The next record; false at the end.
  bool next(std::vector<std::string>& fields, int64_t& line) {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
      line_ += text_[at_++] == '\n';
    }
    if (at_ >= text_.size()) {
      return false;
    }
    line = line_;
    fields.clear();
    do {
      fields.push_back(field());
    } while (take(','));
    take('\r');
    if (at_ < text_.size()) {
      require<DataError>(take('\n'), "{}:{}: text after a closing quote, expected a comma or the "
                         "end of the line", name_, line_);
      ++line_;
    }
    return true;
  }

 private:
  bool take(char c) {
    const bool there = at_ < text_.size() && text_[at_] == c;
    at_ += there;
    return there;
  }

  std::string field() {
    if (!take('"')) {
      const size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
      std::string_view plain = text_.substr(at_, end - at_);
      if (plain.ends_with('\r') && (end == text_.size() || text_[end] == '\n')) {
        plain.remove_suffix(1);
      }
      at_ += plain.size();
      return std::string(plain);
    }
    const int64_t first_line = line_;
    std::string quoted;
    while (true) {
      const size_t end = text_.find('"', at_);
      require<DataError>(end != std::string_view::npos,
                         "{}:{}: a quoted field starts here and never ends", name_, first_line);
      const std::string_view part = text_.substr(at_, end - at_);
      line_ += std::count(part.begin(), part.end(), '\n');
      quoted += part;
      at_ = end + 1;
      if (!take('"')) {
        return quoted;
      }
      quoted += '"';
    }
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

// The labels of a field such as [sea side, 'dog'].
std::vector<std::string> split_labels(std::string_view field) {
  field = trimmed(field);
  if (field.starts_with('[')) {
    field.remove_prefix(1);
  }
  if (field.ends_with(']')) {
    field.remove_suffix(1);
  }
  std::vector<std::string> labels;
  while (!field.empty()) {
    const size_t comma = std::min(field.find(','), field.size());
    std::string_view label = trimmed(field.substr(0, comma));
    for (const char quote : {'\'', '"'}) {
      if (label.size() >= 2 && label.front() == quote && label.back() == quote) {
        label = trimmed(label.substr(1, label.size() - 2));
      }
    }
    if (!label.empty()) {
      labels.emplace_back(label);
    }
    field.remove_prefix(std::min(comma + 1, field.size()));
  }
  return labels;
}

// Numbers the names 0, 1, ... as they first appear.
int32_t number_of(std::map<std::string, int32_t>& numbers, const std::string& name) {
  return numbers.emplace(name, static_cast<int32_t>(numbers.size())).first->second;
}

// Renumbers the rows' labels so that the class list is sorted. Bytes of UTF-8 sort by code point.
void sort_classes(const std::map<std::string, int32_t>& numbers, LabelCsv& csv) {
  std::vector<int32_t> sorted(numbers.size());
  for (const auto& [name, number] : numbers) {
    sorted[static_cast<size_t>(number)] = static_cast<int32_t>(csv.classes.size());
    csv.classes.push_back(name);
  }
  for (LabelCsv::Row& row : csv.rows) {
    for (int32_t& label : row.labels) {
      label = sorted[static_cast<size_t>(label)];
    }
    std::sort(row.labels.begin(), row.labels.end());
    row.labels.erase(std::unique(row.labels.begin(), row.labels.end()), row.labels.end());
  }
}

}  // namespace

void parse_csv(std::string_view text, const std::string& name,
               const std::function<void(std::vector<std::string>& fields, int64_t line)>& row) {
  CsvReader reader(text, name);
  std::vector<std::string> fields;
  for (int64_t line = 0; reader.next(fields, line);) {
    row(fields, line);
  }
}

LabelCsv parse_label_csv(std::string_view text, const std::string& name) {
  LabelCsv csv;
  csv.name = name;
  std::map<std::string, int32_t> classes, splits;
  size_t columns = 0;
  parse_csv(text, name, [&](std::vector<std::string>& fields, int64_t line) {
    const bool first = columns == 0;
    if (first) {
      columns = fields.size();
      require<DataError>(columns == 2 || columns == 3,
                         "{}:{}: {}, expected path,labels or path,labels,split", name, line,
                         counted(static_cast<int64_t>(columns), "column"));
      if (!is_picture_name(trimmed(fields[0]))) {
        return;  // the header
      }
    }
    require<DataError>(fields.size() == columns,
                       "{}:{}: {}, expected {} as in the first line; put several labels in quotes: "
                       "\"[a, b]\"",
                       name, line, counted(static_cast<int64_t>(fields.size()), "column"), columns);
    LabelCsv::Row row;
    row.line = line;
    const std::string where = fmt::format("{}:{}", name, line);
    row.path = safe_relative_path(fields[0], where).native();
    for (const std::string& label : split_labels(fields[1])) {
      require<DataError>(is_utf8(label), "{}: label '{}' is not UTF-8", where, printable(label));
      row.labels.push_back(number_of(classes, label));
    }
    if (columns == 3) {
      const std::string split(trimmed(fields[2]));
      row.split = number_of(splits, split);
      if (row.split == static_cast<int32_t>(csv.splits.size())) {
        csv.splits.push_back(split);
      }
    }
    csv.rows.push_back(std::move(row));
  });
  require<DataError>(!csv.rows.empty(), "{}: no rows, expected path,labels or path,labels,split",
                     name);
  sort_classes(classes, csv);
  return csv;
}

namespace {

constexpr int64_t kMostBytes = int64_t{4} << 30;

struct CsvChoice {
  fs::path file;
  std::string word;    // of the split column, if the file has one
  bool shared = true;  // by several splits, which the column tells apart
};

CsvChoice choose_csv(const fs::path& root, const std::string& word, const std::string& split) {
  if (fs::path(word).extension() == ".csv") {
    return {root / word, split, false};
  }
  const fs::path whole = root / "data.csv", own = root / (split + ".csv");
  std::error_code error;
  if (!word.empty() || fs::exists(whole, error)) {
    return {whole, word.empty() ? split : word, true};
  }
  require<DataError>(fs::exists(own, error),
                     "{}: no CSV list for split '{}': looked for data.csv and {}.csv; name the "
                     "file in data.{}",
                     printable(root.native()), split, split, split);
  return {own, split, false};
}

bool is_csv(const DataOptions& options) {
  return fs::path(options.train).extension() == ".csv" || has_file(options.root, "data.csv") ||
         has_file(options.root, "train.csv") || has_file(options.root, "val.csv");
}

std::unique_ptr<Dataset> open_csv(const DataOptions& options, const std::string& split, Purpose) {
  const CsvChoice choice = choose_csv(options.root, split_option(options, split), split);
  const std::string name = printable(choice.file.native());
  LabelCsv csv = parse_label_csv(read_text_file(choice.file, kMostBytes), name);
  require<DataError>(!csv.splits.empty() || !choice.shared || split == "train",
                     "{}: no third column, so every row belongs to split 'train'; name a file for "
                     "'{}' in data.{}",
                     name, split, split);
  const auto wanted = std::find(csv.splits.begin(), csv.splits.end(), choice.word);
  require<DataError>(csv.splits.empty() || wanted != csv.splits.end(),
                     "{}: no rows for split '{}'; the split column has {}; choose one in data.{}",
                     name, printable(choice.word), name_list(csv.splits), split);
  const int32_t split_number = static_cast<int32_t>(wanted - csv.splits.begin());
  const auto in_split = [&](const LabelCsv::Row& row) {
    return row.split < 0 || row.split == split_number;
  };

  const ClassList classes(options, csv.classes, name);
  std::vector<bool> used(csv.classes.size());
  for (const LabelCsv::Row& row : csv.rows) {
    for (const int32_t label : row.labels) {
      used[static_cast<size_t>(label)] = used[static_cast<size_t>(label)] || in_split(row);
    }
  }
  std::vector<std::string> unknown;
  for (size_t i = 0; i < csv.classes.size(); ++i) {
    if (used[i] && classes.column(csv.classes[i]) < 0) {
      unknown.push_back(csv.classes[i]);
    }
  }
  require_known(unknown, classes, name);

  SampleList samples(options.unlabelled, split_limit(options, split), name);
  std::vector<LabelEntry> labels;
  for (LabelCsv::Row& row : csv.rows) {
    if (in_split(row)) {
      labels.clear();
      for (const int32_t label : row.labels) {
        const std::string& label_name = csv.classes[static_cast<size_t>(label)];
        labels.push_back({.column = classes.column(label_name)});
      }
      samples.add(std::move(row.path), labels);
    }
  }
  samples.finish();
  return std::make_unique<FileDataset>(FileDataset::Place{options.root, "", true}, classes,
                                       std::move(samples));
}

}  // namespace

const DataFormat csv_format = {
    .name = "csv",
    .looks_like = "data.csv or train.csv",
    .splits = "a file, or a word of the split column of data.csv",
    .detect = is_csv,
    .open = open_csv,
};

}  // namespace mld
