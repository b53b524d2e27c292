// CSV text (RFC 4180) as records and fields, with any delimiter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// Reads the records of a CSV text. Quoted fields may hold delimiters, "" for a quote, line breaks;
// lines end in CRLF or LF; a byte order mark, empty lines and blanks before an opening quote are
// skipped. With a blank as the delimiter, several in a row count as one.
class CsvReader {
 public:
  // `text` and `name`, which starts messages, must outlive the reader. Errors: DataError: UTF-16.
  CsvReader(std::string_view text, const std::string& name, char delimiter = ',');

  // The next record; false at the end. `line` counts from 1 and is where the record starts.
  // Errors: DataError "name:line: ..." for an unfinished quote, text after a closing quote, more
  // than a million fields.
  bool next(std::vector<std::string>& fields, int64_t& line);

 private:
  bool take(char c);
  bool take_delimiter();
  void skip_blanks();
  std::string field();
  std::string quoted_field();

  std::string_view text_;
  const std::string& name_;
  char delimiter_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace mld
