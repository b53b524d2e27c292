// The layout of a list of labelled pictures: its delimiter, its columns, its label separator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// `indicator`: one column per class, named by its header, with 1, 0 and perhaps -1.
enum class CsvColumn { path, labels, split, indicator, unused };

// The user's settings (data.label_separator, data.columns: "auto" = find out) and the classes that
// are known already, if any: those of the training split.
struct CsvHints {
  std::string separator = "auto";
  std::string columns = "auto";
  std::vector<std::string> class_names = {};
};

struct CsvLayout {
  char delimiter = ',';
  bool header = false;
  std::vector<std::string> names;  // of the columns, from the header or the first record
  std::vector<CsvColumn> columns;
  std::string separator;           // between labels, in cells that are not lists; "" = none
  bool lists = false;              // some cells are lists, such as ['a', 'b']
  std::string example;             // a cell with a blank that was taken for one label, if any
  bool whole_cells = false;        // set by the user: brackets and commas belong to the label
  std::string split_flag;          // the header of a split column of yes and no: "is_valid"

  bool has(CsvColumn column) const;
  // For a note: "labels separated by |" and "; no header; not used: age, sex" or "".
  std::string labels_text() const;
  std::string columns_text() const;
};

// Finds out how a list is laid out, from all of it. An ambiguous layout is an error.
// Errors: DataError naming the line and the key that settles it; UsageError for data.columns.
CsvLayout understand_csv(std::string_view text, const std::string& name, const CsvHints& hints);

// Parts of the above.
struct CsvRecord {
  std::vector<std::string> fields;
  int64_t line = 0;
};
// Fills layout.header, names and columns from the first records, all of one length.
void find_columns(const std::vector<CsvRecord>& sample, const std::string& name,
                  const CsvHints& hints, CsvLayout& layout);
// Fills layout.separator.
void find_separator(std::string_view text, const std::string& name, const CsvHints& hints,
                    CsvLayout& layout);

// The value of a cell in a column of class indicators: 1, 0, -1 ("True", "0.0", ...); empty is 0.
std::optional<int> indicator_value(std::string_view cell);
// The split meant by yes or no in a column such as isvalid; "" for other cells.
std::string split_of_flag(std::string_view cell, std::string_view column);

}  // namespace mld
