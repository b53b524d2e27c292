// Lists of labelled pictures: CSV in its many layouts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/csv_layout.h"
#include "data/formats/picture_paths.h"

namespace mld {

// A list of labelled pictures, in file order.
struct LabelCsv {
  struct Row {
    std::string path;
    std::vector<int32_t> labels;   // ascending, indices into classes
    std::vector<int32_t> unknown;  // classes with -1 in a column of 0 and 1
    int32_t split = -1;            // index into splits; -1 without a split column
    int64_t line = 0;
  };
  std::string name;                  // of the file, for messages
  CsvLayout layout;
  std::vector<std::string> classes;  // every label of the file, sorted by code point
  std::vector<std::string> splits;   // in order of appearance; empty without a split column
  std::vector<Row> rows;             // one per picture and split
  int64_t repeated = 0;              // later rows of a picture, merged into its first
  // What was understood: "data.csv: labels separated by |, 14 classes, 1.6 a picture".
  std::string note() const;
};

// Reads a list with the layout that understand_csv finds. Rows of one picture and split are merged:
// a list may have one row per label. In columns of 1, 0 and -1, -1 means unknown; if there is no 0,
// absent. Errors: DataError with file:line for rows of a different length than the first, unsafe
// paths, labels that are not UTF-8; and understand_csv's.
LabelCsv parse_label_csv(std::string_view text, const std::string& name,
                         const CsvHints& hints = {}, const WrittenPaths& paths = WrittenPaths());

}  // namespace mld
