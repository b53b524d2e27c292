// CSV lists of labelled pictures: path,labels[,split], labels as "[a, b]".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// Calls row(fields, line) for each record of a CSV text (RFC 4180: quoted fields may hold commas,
// "" for a quote, line breaks; CRLF or LF; a byte order mark and empty lines are skipped). `line`
// counts from 1 and is where the record starts. `name` starts messages.
// Errors: DataError "name:line: ..." for an unfinished quote or text after a closing quote.
void parse_csv(std::string_view text, const std::string& name,
               const std::function<void(std::vector<std::string>& fields, int64_t line)>& row);

// A list of labelled pictures, in file order.
struct LabelCsv {
  struct Row {
    std::string path;
    std::vector<int32_t> labels;  // ascending, indices into classes
    int32_t split = -1;           // index into splits; -1 in a file of two columns
    int64_t line = 0;
  };
  std::string name;                  // of the file, for messages
  std::vector<std::string> classes;  // every label of the file, sorted by code point
  std::vector<std::string> splits;   // in order of appearance; empty in a file of two columns
  std::vector<Row> rows;
};

// The first record is the header, unless its first field is a picture's name. Labels: brackets and
// quotes around them dropped, split at commas, blanks around them dropped; "[]" has none.
// Errors: DataError with file:line for another number of columns than 2 or 3 or than the first
// record's, unsafe paths, labels that are not UTF-8.
LabelCsv parse_label_csv(std::string_view text, const std::string& name);

}  // namespace mld
