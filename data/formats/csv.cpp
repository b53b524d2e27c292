#include "data/formats/csv.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_text.h"
#include "data/text.h"

namespace mld {
namespace {

// Turns records into rows; numbers labels in order of appearance.
class RowReader {
 public:
  RowReader(LabelCsv& csv, const WrittenPaths& paths)
      : csv_(csv), layout_(csv.layout), paths_(paths), list_(csv) {}

  // Takes the classes that the header names, whether pictures show them or not.
  void take_header(const std::vector<std::string>& fields, int64_t line) {
    class_of_column_.assign(fields.size(), -1);
    for (size_t c = 0; c < fields.size(); ++c) {
      if (layout_.columns[c] == CsvColumn::indicator) {
        const std::string label(trimmed(fields[c]));
        const int32_t known = list_.labels();
        class_of_column_[c] = list_.label(label, line);
        require<DataError>(!label.empty(), "{}:{}: column {} names no class", csv_.name, line,
                           c + 1);
        require<DataError>(class_of_column_[c] == known, "{}:{}: class '{}' is listed twice",
                           csv_.name, line, printable(label));
      }
    }
  }

  void take(const std::vector<std::string>& fields, int64_t line) {
    require<DataError>(fields.size() == layout_.columns.size(),
                       "{}:{}: {}, expected {} as in the first line; put several labels in quotes: "
                       "\"[a, b]\"", csv_.name, line,
                       counted(static_cast<int64_t>(fields.size()), "column"),
                       layout_.columns.size());
    LabelCsv::Row row;
    row.line = line;
    for (size_t c = 0; c < fields.size(); ++c) {
      switch (layout_.columns[c]) {
        case CsvColumn::path:
          row.path = paths_.relative(trimmed(fields[c]), where(line));
          break;
        case CsvColumn::labels: add_labels(fields[c], row); break;
        case CsvColumn::indicator: add_indicator(c, fields[c], row); break;
        case CsvColumn::split: row.split = list_.split(split_named(fields[c])); break;
        case CsvColumn::unused: break;
      }
    }
    list_.add(std::move(row));
  }

  void finish() {
    decide_minus();
    list_.finish();
  }

 private:
  std::string where(int64_t line) const { return fmt::format("{}:{}", csv_.name, line); }

  void add_labels(const std::string& field, LabelCsv::Row& row) {
    const auto [entry, is_new] = labels_of_cell_.try_emplace(field);
    if (is_new) {
      for (const std::string& label : labels_of(field, row.line)) {
        entry->second.push_back(list_.label(label, row.line));
      }
    }
    row.labels.insert(row.labels.end(), entry->second.begin(), entry->second.end());
  }

  std::vector<std::string> labels_of(const std::string& field, int64_t line) const {
    if (layout_.whole_cells) {
      return split_labels(field, "");
    }
    LabelCell cell = parse_label_cell(field, where(line));
    return cell.list ? cell.labels : split_labels(cell.text, layout_.separator);
  }

  void add_indicator(size_t column, const std::string& field, LabelCsv::Row& row) {
    const std::optional<int> value = indicator_value(field);
    if (!value) {  // the message costs more than all else
      fail<DataError>("{}: column {} holds '{}', expected 1, 0 or -1 for a class; name the columns "
                      "in data.columns", where(row.line), printable(layout_.names[column]),
                      printable(field));
    }
    const int32_t label = class_of_column_[column];
    if (*value == 1) {
      row.labels.push_back(label);
    } else if (*value == -1) {
      row.unknown.push_back(label);
    }
    minus_ += *value == -1;
    zeros_ += *value == 0;
  }

  std::string split_named(const std::string& field) const {
    return layout_.split_flag.empty() ? std::string(trimmed(field))
                                      : split_of_flag(field, layout_.split_flag);
  }

  void decide_minus() {
    if (zeros_ == 0) {
      for (LabelCsv::Row& row : csv_.rows) {
        row.unknown.clear();
      }
    }
    require<DataError>(zeros_ == 0 || minus_ <= zeros_,
                       "{}: the class columns hold {} times -1 and {} times 0: either may say that "
                       "a class is absent; write 0 for absent and -1 for unknown",
                       csv_.name, minus_, zeros_);
  }

  LabelCsv& csv_;
  const CsvLayout& layout_;
  const WrittenPaths& paths_;
  LabelListBuilder list_;
  std::vector<int32_t> class_of_column_;  // -1: not an indicator column
  std::unordered_map<std::string, std::vector<int32_t>> labels_of_cell_;
  int64_t minus_ = 0, zeros_ = 0;
};

}  // namespace

LabelCsv parse_label_csv(std::string_view text, const std::string& name, const CsvHints& hints,
                         const WrittenPaths& paths) {
  LabelCsv csv;
  csv.name = name;
  csv.layout = understand_csv(text, name, hints);
  RowReader rows(csv, paths);
  CsvReader reader(text, name, csv.layout.delimiter);
  std::vector<std::string> fields;
  bool header = csv.layout.header;
  for (int64_t line = 0; reader.next(fields, line); header = false) {
    if (header) {
      rows.take_header(fields, line);
    } else {
      rows.take(fields, line);
    }
  }
  require<DataError>(!csv.rows.empty(), "{}: no rows, expected path,labels or path,labels,split",
                     name);
  rows.finish();
  return csv;
}

std::string LabelCsv::note() const {
  return fmt::format("{}: {}, {}{}{}{}", name, layout.labels_text(), counts_text(), merged_text(),
                     unknown_text("-1"), layout.columns_text());
}

}  // namespace mld
