#include "data/formats/csv_cells.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <optional>

#include "core/error.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool has_comma(std::string_view text) { return text.find(',') != std::string_view::npos; }

bool is_quote(char c) { return c == '\'' || c == '"'; }

void drop_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

void append_utf8(std::string& out, uint32_t code) {
  const auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

// Takes a hexadecimal number with `digits` digits from the start of text.
std::optional<uint32_t> take_hex(std::string_view& text, size_t digits) {
  uint32_t code = 0;
  const char* end = text.data() + std::min(digits, text.size());
  if (text.size() < digits || std::from_chars(text.data(), end, code, 16).ptr != end) {
    return std::nullopt;
  }
  text.remove_prefix(digits);
  return code;
}

// Takes the rest of an escape after the backslash, as in Python or JSON. False for an unknown one.
bool take_escape(std::string_view& text, std::string& out) {
  if (text.empty()) {
    return false;
  }
  const char kind = text.front();
  text.remove_prefix(1);
  if (kind == 'x' || kind == 'u') {
    std::optional<uint32_t> code = take_hex(text, kind == 'x' ? 2 : 4);
    if (code && *code >= 0xD800 && *code < 0xDC00 && text.starts_with("\\u")) {  // a pair, in JSON
      text.remove_prefix(2);
      const std::optional<uint32_t> low = take_hex(text, 4);
      code = low && *low >= 0xDC00 && *low < 0xE000
                 ? std::optional(0x10000 + ((*code & 0x3FF) << 10) + (*low & 0x3FF))
                 : std::nullopt;
    }
    if (!code || (*code >= 0xD800 && *code < 0xE000)) {
      return false;
    }
    append_utf8(out, *code);
    return true;
  }
  out += kind == 'n' ? '\n' : kind == 't' ? '\t' : kind;
  return kind == 'n' || kind == 't' || kind == '\\' || kind == '/' || is_quote(kind);
}

// Takes a quoted label; its closing quote is followed by a blank, a comma, a bracket or the end
// ("'d'or'" is d'or). False if there is none.
bool take_quoted(std::string_view& text, std::string& out) {
  const char quote = text.front();
  text.remove_prefix(1);
  out.clear();
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\\') {
      if (!take_escape(text, out)) {
        return false;
      }
    } else if (c == quote && (text.empty() || text.find_first_of(" \t\r\n,)") == 0)) {
      return true;
    } else {
      out += c;
    }
  }
  return false;
}

// Drops the prefix of a quoted label: u'a', b'a', np.str_('a'). True for the last, where a closing
// parenthesis follows.
bool drop_prefix(std::string_view& text) {
  for (const std::string_view call : {"np.str_(", "numpy.str_("}) {
    if (text.starts_with(call)) {
      text.remove_prefix(call.size());
      return true;
    }
  }
  if (text.size() >= 2 && (text[0] == 'u' || text[0] == 'b') && is_quote(text[1])) {
    text.remove_prefix(1);
  }
  return false;
}

bool starts_quoted(std::string_view text) {
  drop_prefix(text);
  return !text.empty() && is_quote(text.front());
}

// The labels of a list without its brackets: quoted ones, separated by commas or blanks, and bare
// ones, separated by commas. nullopt if it is not such a list.
std::optional<std::vector<std::string>> list_items(std::string_view text) {
  std::vector<std::string> labels;
  while (drop_blanks(text), !text.empty()) {
    const bool call = drop_prefix(text);
    bool quoted = !text.empty() && is_quote(text.front());
    if (quoted) {
      std::string label;
      if (!take_quoted(text, label) || (call && !text.starts_with(')'))) {
        return std::nullopt;
      }
      text.remove_prefix(call ? 1 : 0);
      labels.emplace_back(trimmed(label));
    } else {
      const size_t comma = std::min(text.find(','), text.size());
      labels.emplace_back(trimmed(text.substr(0, comma)));
      text.remove_prefix(comma);
    }
    drop_blanks(text);
    if (text.starts_with(',')) {
      text.remove_prefix(1);
    } else if (quoted && !text.empty() && !starts_quoted(text)) {  // NumPy writes no commas
      return std::nullopt;
    }
  }
  std::erase(labels, "");
  return labels;
}

// The text inside array([...], dtype=object), set([...]) and the like; other text as it is.
std::string_view without_constructor(std::string_view text) {
  const size_t open = text.find('(');
  const auto is_name = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; };
  if (open == 0 || open == std::string_view::npos || !text.ends_with(')') ||
      !std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(open), is_name)) {
    return text;
  }
  std::string_view inside = trimmed(text.substr(open + 1, text.size() - open - 2));
  if (inside.empty()) {  // set()
    return text.substr(open);
  }
  if (std::string_view("[({").find(inside.front()) == std::string_view::npos) {
    return text;
  }
  const size_t close = inside.find_last_of("])}");
  if (close == std::string_view::npos) {
    return text;
  }
  const std::string_view after = trimmed(inside.substr(close + 1));  // ", dtype=object"
  return after.empty() || (after.front() == ',' && after.find('=') != std::string_view::npos)
             ? inside.substr(0, close + 1)
             : text;
}

// Parentheses are brackets only around something that looks like a tuple: "(red)" is a label.
bool take_brackets(std::string_view& text) {
  for (const std::string_view pair : {"[]", "()", "{}"}) {
    if (text.size() < 2 || text.front() != pair[0] || text.back() != pair[1]) {
      continue;
    }
    const std::string_view inside = trimmed(text.substr(1, text.size() - 2));
    if (pair != "()" || inside.empty() || starts_quoted(inside) || has_comma(inside)) {
      text = inside;
      return true;
    }
  }
  return false;
}

}  // namespace

LabelCell parse_label_cell(std::string_view cell, const std::string& where) {
  LabelCell result;
  const std::string_view whole = trimmed(cell);
  std::string_view text = without_constructor(whole);
  result.bracketed = take_brackets(text);
  const bool nested = result.bracketed && text.find_first_of("[{") == 0;
  if (nested || text.empty() || starts_quoted(text) || (result.bracketed && has_comma(text))) {
    const auto labels = nested ? std::nullopt : list_items(text);
    require<DataError>(labels || !result.bracketed,
                       "{}: the labels {} cannot be read as a list; write them as \"[a, b]\", or "
                       "set data.label_separator = \"none\" to take every cell as one label",
                       where, printable(whole));
    if (labels) {
      result.list = true;
      result.labels = *labels;
      require<DataError>(std::find(labels->begin(), labels->end(), "...") == labels->end(),
                         "{}: the labels {} are a shortened printout (...), so some are missing; "
                         "write the file again with all of them",
                         where, printable(whole));
      return result;
    }
  }
  result.text = text;
  return result;
}

std::vector<std::string> split_labels(std::string_view text, std::string_view separator) {
  std::vector<std::string> labels;
  const auto add = [&](std::string_view label) {
    label = trimmed(label);
    if (label.size() >= 2 && is_quote(label.front()) && label.back() == label.front()) {
      label = trimmed(label.substr(1, label.size() - 2));
    }
    if (!label.empty()) {
      labels.emplace_back(label);
    }
  };
  if (separator.empty()) {
    add(text);
    return labels;
  }
  while (!text.empty()) {
    const size_t end = separator == " " ? text.find_first_of(kBlanks) : text.find(separator);
    add(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size()
                                                     : end + separator.size());
  }
  return labels;
}

}  // namespace mld
