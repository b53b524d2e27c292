// What the tokenizer needs to know about Unicode, by utf8proc. A build without it (MLD_UNICODE=OFF)
// knows ASCII and refuses other text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mld {

enum class CharacterKind { letter, number, space, other };  // Unicode's L, N, White_Space, the rest
CharacterKind kind_of(uint32_t code);

// Canonical composition (NFC).   text: UTF-8
std::string composed(std::string_view text);

// Lower case as Python's str.lower(): one code point each but for U+0130, and a sigma at the end of
// a word becomes the final one.   text: UTF-8
std::string lowered(std::string_view text);

// Appends a code point as UTF-8.
void append_utf8(uint32_t code, std::string& text);
// UTF-8, which must be well-formed, as code points.
std::u32string code_points(std::string_view text);

}  // namespace mld
