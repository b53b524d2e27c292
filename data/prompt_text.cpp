#include "data/prompt_text.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "core/error.h"
#include "data/text.h"
#include "data/unicode.h"
#include "data/utf8.h"

namespace mld {

namespace {

struct Spelling {
  uint32_t code;
  std::string_view text;
};

// Quotes as ftfy straightens them, ligatures as it splits them (ftfy/chardata.py).
constexpr Spelling kSpellings[] = {
    {0x2BC, "'"},   {0x2018, "'"},   {0x2019, "'"},    {0x201A, "'"},    {0x201B, "'"},
    {0x201C, "\""}, {0x201D, "\""},  {0x201E, "\""},   {0x201F, "\""},   {0x132, "IJ"},
    {0x133, "ij"},  {0xFB00, "ff"},  {0xFB01, "fi"},   {0xFB02, "fl"},   {0xFB03, "ffi"},
    {0xFB04, "ffl"}, {0xFB05, "\u017Ft"}, {0xFB06, "st"}};

// Control characters that ftfy removes (ftfy.fixes.remove_control_chars).
bool is_dropped(uint32_t code) {
  return code <= 0x08 || code == 0x0B || (code >= 0x0E && code <= 0x1F) || code == 0x7F ||
         (code >= 0x206A && code <= 0x206F) || code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFC);
}

// The letter whose two bytes of UTF-8 were read as Latin-1, "Ã" and `next`; 0 for none. A closing
// or opening quote or a space behind "Ã" is taken for what it is.
uint32_t misread_letter(uint32_t code, uint32_t next) {
  constexpr uint32_t kATilde = 0xC3, kSpace = 0xA0, kOpen = 0xAB, kClose = 0xBB;
  const bool byte = next > kSpace && next <= 0xBF && next != kOpen && next != kClose;
  return code == kATilde && byte ? next + 0x40 : 0;
}

std::string repaired(std::string_view text) {
  const std::u32string codes = code_points(text);
  std::string out;
  for (size_t i = 0; i < codes.size(); ++i) {
    const uint32_t code = codes[i];
    const Spelling* spelling = nullptr;
    for (const Spelling& candidate : kSpellings) {
      spelling = candidate.code == code ? &candidate : spelling;
    }
    if (spelling != nullptr) {
      out += spelling->text;
    } else if (code >= 0xFF01 && code <= 0xFF5E) {
      append_utf8(code - 0xFF01 + '!', out);
    } else if (const uint32_t letter =
                   i + 1 < codes.size() ? misread_letter(code, codes[i + 1]) : 0) {
      append_utf8(letter, out);
      ++i;
    } else if (!is_dropped(code)) {
      append_utf8(code, out);
    }
  }
  return composed(out);
}

// The character that an entity's name, without & and ;, stands for.
std::optional<uint32_t> entity(std::string_view name) {
  constexpr std::pair<std::string_view, uint32_t> kNames[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xA0}};
  for (const auto& [known, code] : kNames) {
    if (name == known) {
      return code;
    }
  }
  if (!name.starts_with('#')) {
    return std::nullopt;
  }
  const bool hexadecimal = name.starts_with("#x") || name.starts_with("#X");
  name.remove_prefix(hexadecimal ? 2 : 1);
  uint32_t code = 0;
  const auto end = name.data() + name.size();
  const auto result = std::from_chars(name.data(), end, code, hexadecimal ? 16 : 10);
  const bool character = code >= ' ' && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return result.ec == std::errc() && result.ptr == end && character ? std::optional(code)
                                                                    : std::nullopt;
}

std::string without_entities(std::string_view text) {
  constexpr size_t kLongest = 10;  // &#x10FFFF;
  std::string out;
  while (!text.empty()) {
    const size_t end = text[0] == '&' ? text.substr(0, kLongest).find(';') : text.npos;
    const auto code = end != text.npos ? entity(text.substr(1, end - 1)) : std::nullopt;
    if (code) {
      append_utf8(*code, out);
      text.remove_prefix(end + 1);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string single_spaces(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char32_t code : code_points(text)) {
    if (kind_of(code) == CharacterKind::space) {
      space = !out.empty();
      continue;
    }
    out += space ? " " : "";
    space = false;
    append_utf8(code, out);
  }
  return out;
}

// The length of the special word or contraction at the start of text; 0 for none.
size_t fixed_piece(std::string_view text) {
  constexpr std::array<std::string_view, 9> kFixed = {kStartText, kEndText, "'s", "'t", "'re",
                                                      "'ve",      "'m",     "'ll", "'d"};
  for (const std::string_view fixed : kFixed) {
    if (text.starts_with(fixed)) {
      return fixed.size();
    }
  }
  return 0;
}

}  // namespace

std::string cleaned_prompt(std::string_view text) {
  require<DataError>(is_utf8(text), "label '{}' is not UTF-8", printable(text));
  const std::string plain = without_entities(without_entities(repaired(text)));
  return lowered(single_spaces(plain));
}

std::vector<std::string_view> prompt_pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    uint32_t code = 0;
    size_t length = utf8_character(text, code);
    const CharacterKind kind = kind_of(code);
    if (kind == CharacterKind::space) {
      text.remove_prefix(length);
      continue;
    }
    if (const size_t fixed = fixed_piece(text)) {
      length = fixed;
    } else if (kind != CharacterKind::number) {
      while (length < text.size()) {
        const size_t more = utf8_character(text.substr(length), code);
        if (kind_of(code) != kind) {
          break;
        }
        length += more;
      }
    }
    pieces.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

}  // namespace mld
