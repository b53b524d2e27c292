// Unicode and gzip for a build without utf8proc and zlib: ASCII; anything else fails with a message
// that says so.
#include "core/error.h"
#include "data/gzip.h"
#include "data/text.h"
#include "data/unicode.h"

namespace mld {

static void require_ascii(std::string_view text) {
  for (const char c : text) {
    require(static_cast<unsigned char>(c) < 0x80,
            "'{}': this build handles ASCII text only (it was made with -DMLD_UNICODE=OFF); build "
            "with -DMLD_UNICODE=ON, which needs the packages listed in tools/setup",
            printable(text));
  }
}

CharacterKind kind_of(uint32_t code) {
  const bool letter = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
  const bool space = code == ' ' || (code >= '\t' && code <= '\r');
  return letter                            ? CharacterKind::letter
         : space                           ? CharacterKind::space
         : code >= '0' && code <= '9' ? CharacterKind::number
                                           : CharacterKind::other;
}

std::string composed(std::string_view text) {
  require_ascii(text);
  return std::string(text);
}

std::string lowered(std::string_view text) {
  require_ascii(text);
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower;
}

void append_utf8(uint32_t code, std::string& text) {  // up to U+07FF: the vocabulary's symbols
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else {
    text += static_cast<char>(0xC0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

std::u32string code_points(std::string_view text) {
  require_ascii(text);
  return {text.begin(), text.end()};
}

std::string gunzip(std::string_view, size_t, const std::string& name) {
  fail("{}: this build cannot read gzip (it was made with -DMLD_UNICODE=OFF); unpack the file with "
       "gunzip", name);
}

}  // namespace mld
