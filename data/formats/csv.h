// Lists of labelled pictures: CSV in its many layouts.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/formats/csv_layout.h"
#include "data/formats/label_list.h"
#include "data/formats/list_open.h"
#include "data/formats/picture_paths.h"

namespace mld {

struct LabelCsv : LabelList {
  CsvLayout layout;
  // What was understood: "data.csv: labels separated by |, 14 classes, 1.6 a picture".
  std::string note() const;
};

// Reads a list with the layout that understand_csv finds. Rows of one picture and split are merged:
// a list may have one row per label. In columns of 1, 0 and -1, -1 means unknown; if there is no 0,
// absent. Errors: DataError with file:line for rows of a different length than the first, unsafe
// paths, labels that are not UTF-8; and understand_csv's.
LabelCsv parse_label_csv(std::string_view text, const std::string& name,
                         const CsvHints& hints = {}, const WrittenPaths& paths = WrittenPaths());

// The kind of list of data.format = "csv".
const ListKind& csv_lists();

}  // namespace mld
