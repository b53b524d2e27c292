// What a list of labelled pictures means: its delimiter, its columns, what separates labels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// `indicator`: one column per class, which its header names, with 1, 0 and perhaps -1 in it.
enum class CsvColumn { path, labels, split, indicator, unused };

// What the user said (data.label_separator, data.columns: "auto" = find out) and which classes are
// known already, if any: those of the training split.
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
  std::string separator;           // between labels, in cells that are no lists; "" = none
  bool lists = false;              // some cells are lists of their own, such as ['a', 'b']
  bool whole_cells = false;        // as the user says: brackets and commas belong to the label
  std::string split_flag;          // the header of a split column of yes and no: "is_valid"

  bool has(CsvColumn column) const;
  // For a note: "labels separated by |" and "; no header; not used: age, sex" or "".
  std::string labels_text() const;
  std::string columns_text() const;
};

// Finds out how a list is laid out, from all of it. What can be meant in two ways is an error.
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
// The split that yes or no means in a column such as isvalid; "" for other cells.
std::string split_of_flag(std::string_view cell, std::string_view column);

}  // namespace mld
