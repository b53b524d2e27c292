// Text of word vectors, in pieces: a word and its numbers on each line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/label_tokens.h"

namespace mld {

// Puts pieces of a text together to lines, without line breaks.
class LineSplitter {
 public:
  // `name` starts messages.
  explicit LineSplitter(std::string name) : name_(std::move(name)) {}

  // Hands the lines that the piece completes to take(line), until it returns false, which is then
  // the result. Errors: DataError for a line of more than 4 MiB.
  template <class Take>
  bool feed(std::string_view piece, Take&& take);
  // The last line, if it has no line break.
  std::string_view rest() const { return rest_; }

 private:
  void keep(std::string_view piece);

  std::string name_, rest_;
};

// Collects the vectors of wanted tokens.
class VectorText {
 public:
  // `name` starts messages.
  VectorText(std::string name, TokenTable& wanted)
      : name_(std::move(name)), lines_(name_), wanted_(wanted) {}

  // The next piece of the text. False once the rest is not needed. Errors: DataError with the line:
  // no text of word vectors; a wanted vector of another width than the first one's, or with a
  // number that is not finite.
  bool feed(std::string_view piece);
  // After the last piece. Errors: as feed(); DataError for a text without vectors.
  void finish();
  bool has_header() const { return promised_ >= 0; }
  // How the file's length differs from what its first line promises: "; it has 3 words where its
  // first line promises 5: it is cut short" or "".
  std::string shortage() const;

 private:
  bool line(std::string_view text);
  void first_vector(const std::vector<std::string_view>& fields);
  void take(const std::vector<std::string_view>& fields);

  std::string name_, kind_;  // kind: what the file is instead, by its first bytes
  LineSplitter lines_;
  TokenTable& wanted_;
  int64_t number_ = 0, vectors_ = 0, promised_ = -1;
  size_t dim_ = 0;
};

// The word that a line begins with.
std::string_view first_word(std::string_view line);

template <class Take>
bool LineSplitter::feed(std::string_view piece, Take&& take) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      keep(piece);
      return true;
    }
    std::string_view whole = piece.substr(0, end);
    if (!rest_.empty()) {
      keep(whole);
      whole = rest_;
    }
    if (!take(whole)) {
      return false;
    }
    rest_.clear();
    piece.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace mld
