// Fuzz target: text that is not UTF-8 is refused with a DataError, any other becomes ids that stand
// for the cleaned text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "data/prompt_text.h"
#include "data/text.h"
#include "data/tokenizer.h"
#include "tests/tiny_vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const mld::Tokenizer tokenizer(
      mld::test::vocabulary_text({"t h", "th e</w>", "a t</w>", "a a", "aa aa", "\u00C3 \u00A9"}),
      "tiny");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool good = mld::is_utf8(text);
  try {
    const auto no_blanks = [](std::string s) {
      std::erase(s, ' ');
      return s;
    };
    const std::string cleaned = mld::cleaned_prompt(text);
    const auto ids = tokenizer.encode(text);
    const auto context = tokenizer.context(text, 77, true);
    const bool faithful = no_blanks(tokenizer.decode(ids)) == no_blanks(cleaned);
    if (!good || !faithful || !mld::is_utf8(cleaned) || context.size() != 77 ||
        std::max_element(context.begin(), context.end()) == context.begin()) {
      std::abort();
    }
  } catch (const mld::DataError&) {
    if (good) {
      std::abort();
    }
  }
  return 0;
}
