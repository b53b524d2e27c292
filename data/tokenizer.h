// CLIP's byte-pair tokenizer: text to numbers (spec: the published clip/simple_tokenizer.py).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mld {

// Ids 0 to 255 are bytes, 256 to 511 bytes at the end of a piece, then the merges, start and end.
class Tokenizer {
 public:
  static constexpr int32_t kMerges = 48894, kVocabulary = 512 + kMerges + 2;
  static constexpr int32_t kStart = kVocabulary - 2, kEnd = kVocabulary - 1;
  static constexpr int64_t kContext = 77;  // of the published models

  // The published file of merges, packed by gzip or not: bpe_simple_vocab_16e6.txt.gz, or a
  // merges.txt with the kMerges of them that are in use. Errors: DataError for a file that is not
  // there (says where to get it), is damaged, or has another number of merges.
  explicit Tokenizer(const std::filesystem::path& file);
  // The same from a file's text; `name` starts the messages.
  Tokenizer(std::string_view merges, const std::string& name);

  // Errors: DataError for text that is not UTF-8.
  std::vector<int32_t> encode(std::string_view text) const;
  // What a text encoder reads: start, the ids, end, then zeros to `length` in all.
  // Errors: DataError for text that is too long, unless `truncate`; then the end is cut off.
  std::vector<int32_t> context(std::string_view text, int64_t length = kContext,
                               bool truncate = false) const;
  // The cleaned text that the ids stand for, with a space behind each piece.
  std::string decode(std::span<const int32_t> ids) const;

 private:
  void read(std::string_view merges, const std::string& name);
  void encode_piece(std::string_view piece, std::vector<int32_t>& ids) const;

  std::unordered_map<uint64_t, int32_t> merged_;  // two ids -> the id of both; lower ids go first
  std::vector<std::string> bytes_;                // of each id
};

}  // namespace mld
