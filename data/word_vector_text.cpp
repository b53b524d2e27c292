#include "data/word_vector_text.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr size_t kMostLine = size_t{4} << 20;
constexpr size_t kMostWidth = 65536;

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t begin = 0; (begin = line.find_first_not_of(kBlanks, begin)) != line.npos;) {
    const size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return fields;
}

bool is_number(std::string_view text) { return number_of<double>(text).has_value(); }

}  // namespace

std::string_view first_word(std::string_view line) {
  return line.substr(0, line.find_first_of(kBlanks));
}

void LineSplitter::keep(std::string_view piece) {
  require<DataError>(rest_.size() + piece.size() <= kMostLine, "{}: a line has more than {} MiB, "
                     "which no word vector needs; expected a word and its numbers on each line",
                     name_, kMostLine >> 20);
  rest_ += piece;
}

bool VectorText::feed(std::string_view piece) {
  if (number_ == 0 && lines_.rest().empty()) {
    kind_ = other_file_kind({reinterpret_cast<const uint8_t*>(piece.data()), piece.size()});
  }
  return lines_.feed(piece, [this](std::string_view text) { return line(text); });
}

void VectorText::finish() {
  line(lines_.rest());
  require<DataError>(dim_ > 0, "{}: no vectors in it; expected a word and its numbers on each line",
                     name_);
}

std::string VectorText::shortage() const {
  return vectors_ >= promised_
             ? ""
             : fmt::format("; it has {} where its first line promises {}: it is cut short",
                           counted(vectors_, "word"), promised_);
}

bool VectorText::line(std::string_view text) {
  ++number_;
  if (number_ == 1 && text.starts_with("\xef\xbb\xbf")) {
    text.remove_prefix(3);
  }
  if (text.find_first_not_of(kBlanks) == text.npos) {
    return true;
  }
  if (dim_ == 0) {
    const std::vector<std::string_view> fields = fields_of(text);
    const auto rows = number_of<int64_t>(fields[0]);
    const auto width = number_of<int64_t>(fields.back());
    if (number_ == 1 && fields.size() == 2 && rows && width && *rows > 0 && *width > 1) {
      promised_ = *rows;  // the header of word2vec and fastText
      return true;
    }
    first_vector(fields);
  }
  ++vectors_;
  if (wanted_.may_begin(first_word(text))) {
    take(fields_of(text));
  }
  return !wanted_.complete();
}

// The first vector's numbers, counted from the line's end, are the width of all: the word itself
// may hold blanks.
void VectorText::first_vector(const std::vector<std::string_view>& fields) {
  const auto word = std::find_if_not(fields.rbegin(), fields.rend() - 1, is_number);
  dim_ = static_cast<size_t>(word - fields.rbegin());
  if (dim_ > 0 && dim_ <= kMostWidth) {
    return;
  }
  fail<DataError>("{}:{}: {}", name_, number_,
                  !kind_.empty() ? "the file " + kind_
                  : dim_ > 0
                      ? fmt::format("{} numbers, at most {} are read", dim_, kMostWidth)
                      : "expected a word and its numbers, as in text of GloVe, word2vec and "
                        "fastText (.vec); their binary forms (.bin) are not read");
}

void VectorText::take(const std::vector<std::string_view>& fields) {
  const auto where = [&] { return fmt::format("{}:{}", name_, number_); };
  const size_t numbers = fields.size() - 1;
  // A word with blanks in it has more fields, of which not all are numbers.
  const bool odd_width =
      numbers < dim_ ||
      (numbers > dim_ && std::all_of(fields.begin() + 1, fields.end(), is_number));
  if (odd_width) {
    require<DataError>(wanted_.slot(fields[0]) == nullptr,
                       "{}: '{}' has {} numbers, but the file's first vector has {}", where(),
                       printable(fields[0]), numbers, dim_);
    return;
  }
  const std::string_view last = fields[numbers - dim_];
  const std::string_view token(fields[0].data(),
                               static_cast<size_t>(last.data() + last.size() - fields[0].data()));
  std::vector<float>* slot = wanted_.slot(token);
  if (slot == nullptr || !slot->empty()) {
    return;
  }
  std::vector<float> values;
  for (size_t i = fields.size() - dim_; i < fields.size(); ++i) {
    const auto value = number_of<double>(fields[i]);
    require<DataError>(value.has_value(), "{}: '{}': '{}' is not a number", where(),
                       printable(token), printable(fields[i]));
    values.push_back(static_cast<float>(*value));
    require<DataError>(std::isfinite(values.back()), "{}: '{}': {} is not a finite number", where(),
                       printable(token), printable(fields[i]));
  }
  *slot = std::move(values);
  wanted_.filled(token);
}

}  // namespace mld
