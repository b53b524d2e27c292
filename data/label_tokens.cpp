#include "data/label_tokens.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr std::string_view kSeparators = " \t_-";

std::vector<std::string> words_of_label(std::string_view label) {
  std::vector<std::string> words;
  for (size_t begin = 0; (begin = label.find_first_not_of(kSeparators, begin)) != label.npos;) {
    const size_t end = std::min(label.find_first_of(kSeparators, begin), label.size());
    words.emplace_back(label.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

void add_new(std::vector<std::string>& list, std::string text) {
  if (std::ranges::find(list, text) == list.end()) {
    list.push_back(std::move(text));
  }
}

// Each as it is, then each in small letters.
std::vector<std::string> with_small_letters(std::vector<std::string> forms) {
  for (size_t i = 0, n = forms.size(); i < n; ++i) {
    add_new(forms, lower_case(forms[i]));
  }
  return forms;
}

}  // namespace

LabelTokens label_tokens(std::string_view label) {
  const std::vector<std::string> words = words_of_label(label);
  LabelTokens tokens;
  std::vector<std::string> forms = {std::string(label)};
  for (const char* joint : {"_", "-", " "}) {
    if (!words.empty()) {
      add_new(forms, fmt::format("{}", fmt::join(words, joint)));
    }
  }
  tokens.whole = with_small_letters(std::move(forms));
  for (size_t i = 0; words.size() > 1 && i < words.size(); ++i) {
    tokens.words.push_back(with_small_letters({words[i]}));
  }
  return tokens;
}

std::string folded_label(std::string_view label) {
  const std::vector<std::string> words = words_of_label(label);
  return words.empty() ? std::string(label)
                       : lower_case(fmt::format("{}", fmt::join(words, " ")));
}

TokenTable::TokenTable(std::span<const std::string> labels) {
  for (const std::string& label : labels) {
    labels_.push_back(label_tokens(label));
    const LabelTokens& tokens = labels_.back();
    ++entries_[tokens.whole[0]].best_of;
    ++best_missing_;
    for (const std::string& token : tokens.whole) {
      entries_.try_emplace(token);
    }
    for (const std::vector<std::string>& forms : tokens.words) {
      for (const std::string& token : forms) {
        entries_.try_emplace(token);
      }
    }
  }
  for (const auto& [token, entry] : entries_) {
    first_words_.insert(token.substr(0, token.find_first_of(" \t")));
  }
}

std::vector<float>* TokenTable::slot(std::string_view token) {
  const auto found = entries_.find(token);
  return found == entries_.end() ? nullptr : &found->second.values;
}

void TokenTable::filled(std::string_view token) {
  best_missing_ -= entries_.find(token)->second.best_of;
}

const std::vector<float>* TokenTable::first_of(const std::vector<std::string>& tokens) const {
  for (const std::string& token : tokens) {
    if (const std::vector<float>& values = entries_.find(token)->second.values; !values.empty()) {
      return &values;
    }
  }
  return nullptr;
}

std::vector<float> TokenTable::vector_of(size_t label, std::vector<std::string>& missing) const {
  const LabelTokens& tokens = labels_[label];
  if (const std::vector<float>* values = first_of(tokens.whole)) {
    return *values;
  }
  std::vector<double> sum;
  for (const std::vector<std::string>& forms : tokens.words) {
    if (const std::vector<float>* values = first_of(forms)) {
      sum.resize(values->size());
      for (size_t d = 0; d < sum.size(); ++d) {
        sum[d] += static_cast<double>((*values)[d]) / static_cast<double>(tokens.words.size());
      }
    } else {
      missing.push_back(forms[0]);
    }
  }
  if (tokens.words.empty()) {
    missing.push_back(tokens.whole[0]);
  }
  return missing.empty() ? std::vector<float>(sum.begin(), sum.end()) : std::vector<float>();
}

void SimilarTokens::offer(std::string_view token) {
  constexpr size_t kMost = 3, kLongest = 64;
  for (size_t i = 0; i < words_.size() && !token.empty(); ++i) {
    const std::string& word = words_[i];
    const size_t longer = std::max(word.size(), token.size());
    const size_t shorter = std::min(word.size(), token.size());
    const int limit = std::max(1, static_cast<int>(longer) / 3);
    std::vector<Near>& best = best_[i];
    if (longer > kLongest || longer - shorter > static_cast<size_t>(limit)) {
      continue;
    }
    const int distance = edit_distance(word, token);
    if (distance > limit || (best.size() == kMost && distance >= best.back().distance)) {
      continue;
    }
    best.insert(std::ranges::upper_bound(best, distance, {}, &Near::distance),
                {distance, std::string(token)});
    best.resize(std::min(best.size(), kMost));
  }
}

std::string SimilarTokens::text(const std::string& word) const {
  const auto at = static_cast<size_t>(std::ranges::find(words_, word) - words_.begin());
  if (at == words_.size() || best_[at].empty()) {
    return "";
  }
  std::vector<std::string> quoted;
  for (const Near& near : best_[at]) {
    quoted.push_back("'" + printable(near.token) + "'");
  }
  return fmt::format(" (similar: {})", fmt::join(quoted, ", "));
}

}  // namespace mld
