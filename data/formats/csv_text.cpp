#include "data/formats/csv_text.h"

#include <algorithm>

#include "core/error.h"
#include "data/text.h"

namespace mld {

constexpr size_t kMostColumns = 1000000;

CsvReader::CsvReader(std::string_view text, const std::string& name, char delimiter)
    : text_(without_mark(text, name)), name_(name), delimiter_(delimiter) {}

bool CsvReader::next(std::vector<std::string>& fields, int64_t& line) {
  while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
    line_ += text_[at_++] == '\n';
  }
  if (at_ >= text_.size()) {
    return false;
  }
  line = line_;
  fields.clear();
  do {
    require<DataError>(fields.size() < kMostColumns, "{}:{}: more than {} columns, expected one "
                       "picture a line", name_, line_, kMostColumns);
    fields.push_back(field());
  } while (take_delimiter());
  take('\r');
  if (at_ < text_.size()) {
    require<DataError>(take('\n'), "{}:{}: text after a closing quote, expected {} or the end of "
                       "the line", name_, line_,
                       delimiter_ == ',' ? "a comma" : fmt::format("'{}'", delimiter_));
    ++line_;
  }
  return true;
}

bool CsvReader::take(char c) {
  const bool there = at_ < text_.size() && text_[at_] == c;
  at_ += there;
  return there;
}

bool CsvReader::take_delimiter() {
  if (!take(delimiter_)) {
    return false;
  }
  if (delimiter_ == ' ') {
    at_ = std::min(text_.find_first_not_of(' ', at_), text_.size());
    return at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r';
  }
  return true;
}

void CsvReader::skip_blanks() {
  while (delimiter_ != ' ' && take(' ')) {
  }
}

std::string CsvReader::field() {
  const size_t start = at_;
  skip_blanks();
  if (take('"')) {
    std::string quoted = quoted_field();
    skip_blanks();
    return quoted;
  }
  at_ = start;
  const char stops[] = {delimiter_, '\n'};
  const size_t end = std::min(text_.find_first_of({stops, 2}, at_), text_.size());
  std::string_view plain = text_.substr(at_, end - at_);
  if (plain.ends_with('\r') && (end == text_.size() || text_[end] == '\n')) {
    plain.remove_suffix(1);
  }
  at_ += plain.size();
  return std::string(plain);
}

// The rest of a field after its opening quote.
std::string CsvReader::quoted_field() {
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

}  // namespace mld
