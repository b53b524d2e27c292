// Word vectors of class names, from files of pre-trained ones: GloVe, word2vec, fastText.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace mld {

// Vectors by name.
struct WordVectors {
  std::vector<std::string> names;  // [K]
  Tensor values;                   // f32 [K, D]

  int64_t dim() const { return values.shape()[1]; }
  // The vectors of some of the names, in their order.   -> f32 [wanted, D]
  // Errors: DataError for a name that is not there.
  Tensor of(std::span<const std::string> wanted) const;
};

// Note [The vector of a label]. A label's words are what blanks, '_' and '-' separate. Its vector
// is that of the first of these that the file has:
//   1. the label as it is written
//   2. its words joined by '_', by '-', by a blank
//   3. the same in small letters (ASCII's)
//   4. if it has several words: the mean of their vectors, each word as written or in small letters
// A file that has a word several times gives its first vector, as the loaders of others do.

// The form of the file follows from its name: .safetensors, else text.
enum class VectorNorm {
  unit,  // divided by their lengths, but those within 1e-5 of length 1 stay as they are
  keep,  // as in the file
};
constexpr std::array<std::string_view, 2> words_of(VectorNorm) { return {"unit", "keep"}; }

// Called now and then while a large file is read: bytes read, bytes in all. At the end, also if it
// is an error or comes early, both are equal.
using ReadProgress = std::function<void(int64_t done, int64_t bytes)>;

// The vectors of `names`, by the rule of the note, in their order. A text file of any size is read
// once, in memory that depends only on the names; the whole of it only if a name is not found as
// written, and a second time if one is not found at all. Forms: docs/data.md.
// Errors: DataError naming the file (with the line, in text): names without a vector, with similar
// ones of the file; vectors of another width, with numbers that are not finite, or all zero;
// content of another kind.
WordVectors read_word_vectors(const std::filesystem::path& file,
                              std::span<const std::string> names,
                              VectorNorm norm = VectorNorm::unit,
                              const ReadProgress& progress = {});
// The same from text in memory; `name` starts messages.
WordVectors parse_word_vectors(std::string_view text, const std::string& name,
                               std::span<const std::string> names,
                               VectorNorm norm = VectorNorm::unit);

// Refuses class names that one vector would stand for: they differ in letters' case, or in what
// separates their words. `where` starts the message. Errors: DataError naming both.
void require_distinct_words(std::span<const std::string> names, const std::string& where);

// Refuses vectors that no model can use. Errors: DataError naming the first class with a number
// that is not finite or with zeros only.   values f32 [names, D]
void require_usable(std::span<const std::string> names, const Tensor& values,
                    const std::string& where);

}  // namespace mld
