#include "data/unicode.h"

#include <cstdlib>
#include <memory>

#include <utf8proc.h>

#include "core/error.h"
#include "data/text.h"
#include "data/utf8.h"

namespace mld {

namespace {

utf8proc_category_t category(uint32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code));
}

bool is_cased(uint32_t code) {
  const utf8proc_category_t c = category(code);
  return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

// Marks and punctuation inside a word: Unicode's Case_Ignorable, Latin apostrophes included.
bool is_case_ignorable(uint32_t code) {
  switch (category(code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return code == '\'' || code == '.' || code == ':' || code == 0xB7 || code == 0x2019;
  }
}

// Whether the capital sigma at `at` ends a word: a cased letter before it and none behind.
bool is_final_sigma(const std::u32string& text, size_t at) {
  size_t before = at, behind = at + 1;
  while (before > 0 && is_case_ignorable(text[before - 1])) {
    --before;
  }
  while (behind < text.size() && is_case_ignorable(text[behind])) {
    ++behind;
  }
  return before > 0 && is_cased(text[before - 1]) &&
         (behind == text.size() || !is_cased(text[behind]));
}

}  // namespace

CharacterKind kind_of(uint32_t code) {
  constexpr uint32_t kNextLine = 0x85;
  const utf8proc_category_t c = category(code);
  if ((code >= '\t' && code <= '\r') || code == kNextLine || c == UTF8PROC_CATEGORY_ZS ||
      c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP) {
    return CharacterKind::space;
  }
  if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) {
    return CharacterKind::letter;
  }
  return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO ? CharacterKind::number
                                                                : CharacterKind::other;
}

std::string composed(std::string_view text) {
  utf8proc_uint8_t* out = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &out,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(out, &std::free);
  require<DataError>(length >= 0, "'{}': cannot be normalised: {}", printable(text),
                     utf8proc_errmsg(length));
  return {reinterpret_cast<const char*>(out), static_cast<size_t>(length)};
}

std::string lowered(std::string_view text) {
  constexpr uint32_t kDottedI = 0x130, kDotAbove = 0x307, kSigma = 0x3A3, kFinalSigma = 0x3C2;
  const std::u32string codes = code_points(text);
  std::string lower;
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t code = codes[i];
    if (code == kDottedI) {
      lower += 'i';
      append_utf8(kDotAbove, lower);
    } else if (code == kSigma && is_final_sigma(codes, i)) {
      append_utf8(kFinalSigma, lower);
    } else {
      append_utf8(static_cast<uint32_t>(utf8proc_tolower(static_cast<int32_t>(code))), lower);
    }
  }
  return lower;
}

void append_utf8(uint32_t code, std::string& text) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<int32_t>(code), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

std::u32string code_points(std::string_view text) {
  std::u32string codes;
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = utf8_character(text, code);
    if (length == 0) {
      fail<DataError>("'{}': not UTF-8", printable(text));
    }
    codes += static_cast<char32_t>(code);
    text.remove_prefix(length);
  }
  return codes;
}

}  // namespace mld
