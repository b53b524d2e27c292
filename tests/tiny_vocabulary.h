// A vocabulary of the published size for the tokenizer's tests: the merges that a test wants, then
// pairs of single bytes until it is full.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "data/tokenizer.h"

namespace mld::test {

inline std::string vocabulary_text(const std::vector<std::string>& first,
                                   int64_t merges = Tokenizer::kMerges) {
  const std::set<std::string> used(first.begin(), first.end());
  std::string text = "\"tiny\"\n";
  int64_t lines = 0;
  const auto add = [&](const std::string& line) {
    if (lines < merges) {
      text += line + "\n";
      ++lines;
    }
  };
  for (const std::string& line : first) {
    add(line);
  }
  for (int a = 94; a < 256; ++a) {  // none begins with ASCII, which the tests merge
    for (int b = 0; b < 256; ++b) {
      for (const char* end : {"", "</w>"}) {
        const auto symbol = [](int i) {
          const int code = i < 94 ? 33 + i : i < 106 ? 161 + i - 94 : i < 188 ? 174 + i - 106
                                                                             : 256 + i - 188;
          return code < 0x80 ? std::string(1, static_cast<char>(code))
                             : std::string{static_cast<char>(0xC0 | code >> 6),
                                           static_cast<char>(0x80 | (code & 0x3F))};
        };
        if (const std::string line = symbol(a) + " " + symbol(b) + end; !used.contains(line)) {
          add(line);
        }
      }
    }
  }
  return text;
}

}  // namespace mld::test
