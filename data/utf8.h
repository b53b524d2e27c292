// The first character of a UTF-8 text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mld {

// The length in bytes of the well-formed UTF-8 character at the start of text, which is not empty;
// 0 if there is none. `code` gets its code point.
size_t utf8_character(std::string_view text, uint32_t& code);

}  // namespace mld
