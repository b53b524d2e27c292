#include "data/formats/split_words.h"

#include <algorithm>
#include <array>
#include <utility>

#include "data/text.h"

namespace mld {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return lower;
}

std::string split_of_word(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kWords = {
      {{"train", "train"},
       {"training", "train"},
       {"trn", "train"},
       {"val", "val"},
       {"valid", "val"},
       {"validation", "val"},
       {"validate", "val"},
       {"dev", "val"},
       {"test", "test"},
       {"testing", "test"},
       {"tst", "test"}}};
  const std::string plain = lower_case(trimmed(word));
  for (const auto& [known, split] : kWords) {
    if (plain == known) {
      return std::string(split);
    }
  }
  return "";
}

std::string split_in_name(std::string_view stem) {
  std::string split = split_of_word(stem);
  for (size_t begin = 0; split.empty() && begin <= stem.size();) {
    const size_t end = std::min(stem.find_first_of("_-. ", begin), stem.size());
    split = split_of_word(stem.substr(begin, end - begin));
    begin = end + 1;
  }
  return split;
}

}  // namespace mld
