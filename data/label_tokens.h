// Which tokens of a file of word vectors can give a label its vector, and what was found of them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace mld {

// See Note [The vector of a label].
struct LabelTokens {
  std::vector<std::string> whole;               // the label's forms, best first
  std::vector<std::vector<std::string>> words;  // each word's forms; empty for one word
};
LabelTokens label_tokens(std::string_view label);

// The words of a label, in small letters, with one blank between them: equal for labels that the
// rule cannot tell apart.
std::string folded_label(std::string_view label);

// Lets string_views be looked up among strings.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

// The vectors of all tokens that labels may use; a file's reader fills them in.
class TokenTable {
 public:
  explicit TokenTable(std::span<const std::string> labels);

  // Whether a wanted token begins with this word.
  bool may_begin(std::string_view word) const { return first_words_.contains(word); }
  // Where the token's vector goes, empty if it has none yet; null if nobody wants the token.
  std::vector<float>* slot(std::string_view token);
  // To be called when a slot has been filled.
  void filled(std::string_view token);
  // Whether no better token can come.
  bool complete() const { return best_missing_ == 0; }

  // The label's vector; empty if it has none. `missing` then gets the words that lack one.
  std::vector<float> vector_of(size_t label, std::vector<std::string>& missing) const;

 private:
  struct Entry {
    std::vector<float> values;
    int64_t best_of = 0;  // labels whose best form it is
  };
  const std::vector<float>* first_of(const std::vector<std::string>& tokens) const;

  std::vector<LabelTokens> labels_;
  std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> entries_;
  std::unordered_set<std::string, TextHash, std::equal_to<>> first_words_;
  int64_t best_missing_ = 0;  // labels whose best form has no vector yet
};

// The tokens most similar to each missing word, collected while a file's tokens pass by.
class SimilarTokens {
 public:
  explicit SimilarTokens(std::vector<std::string> words) : words_(std::move(words)) {
    best_.resize(words_.size());
  }
  void offer(std::string_view token);
  // " (similar: 'a', 'b')" or "".
  std::string text(const std::string& word) const;

 private:
  struct Near {
    int distance;
    std::string token;
  };
  std::vector<std::string> words_;
  std::vector<std::vector<Near>> best_;  // [words], nearest first
};

}  // namespace mld
