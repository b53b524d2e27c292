#include "data/text.h"

#include <algorithm>
#include <cstdint>

#include "core/error.h"
#include "data/utf8.h"

namespace mld {

// Table 3-7 of the Unicode standard.
size_t utf8_character(std::string_view text, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) {
    code = lead;
    return 1;
  }
  const size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                        : (lead & 0xF0) == 0xE0        ? 3
                        : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                       : 0;
  if (length == 0 || text.size() < length) {
    return 0;
  }
  code = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return 0;
    }
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

namespace {

// Characters that move the cursor, hide or reorder what is printed.
bool is_unprintable(uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0xAD || code == 0x61C ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x2069) || code == 0xFEFF;
}

// Calls character(code, bytes) for well-formed characters, bad(byte) for bytes that are not UTF-8.
template <class Character, class Bad>
void for_each_character(std::string_view text, Character&& character, Bad&& bad) {
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = utf8_character(text, code);
    if (length == 0) {
      bad(static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
    } else {
      character(code, text.substr(0, length));
      text.remove_prefix(length);
    }
  }
}

}  // namespace

bool is_utf8(std::string_view text) {
  bool good = true;
  for_each_character(text, [](uint32_t, std::string_view) {}, [&](uint8_t) { good = false; });
  return good;
}

std::string printable(std::string_view text) {
  std::string out;
  for_each_character(
      text,
      [&](uint32_t code, std::string_view bytes) {
        if (!is_unprintable(code)) {
          out += bytes;
        } else if (code == '\n' || code == '\t' || code == '\r') {
          out += code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r";
        } else {
          out += code < 0x80 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
        }
      },
      [&](uint8_t byte) { out += fmt::format("\\x{:02x}", byte); });
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string result;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    result += (begin > 0 ? "\n" : "") + printable(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    return std::string(text);
  }
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') {
      out += '"';
    }
  }
  return out + '"';
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return quoted + "'";
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for_each_character(
      text,
      [&](uint32_t code, std::string_view bytes) {
        if (code == '"' || code == '\\') {
          out += '\\';
          out += bytes;
        } else if (code == '\n' || code == '\t' || code == '\r') {
          out += code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r";
        } else if (is_unprintable(code)) {
          out += fmt::format("\\u{:04x}", code);
        } else {
          out += bytes;
        }
      },
      [&](uint8_t byte) { out += fmt::format("\\\\x{:02x}", byte); });
  return out + '"';
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string counted(int64_t count, std::string_view noun) {
  const bool es = noun.ends_with("s");  // "class", "classes"
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : es ? "es" : "s");
}

std::string name_list(std::span<const std::string> names, size_t limit) {
  std::string out;
  for (size_t i = 0; i < std::min(limit, names.size()); ++i) {
    out += (i > 0 ? ", " : "") + printable(names[i]);
  }
  return names.size() > limit ? fmt::format("{} and {} more", out, names.size() - limit) : out;
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    last[j] = static_cast<int>(j);
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

std::string nearest_name(std::string_view name, std::span<const std::string> candidates) {
  constexpr size_t kLongest = 256;  // longer names are not typos
  std::string_view nearest;
  int best = 1 << 30;
  for (const std::string& candidate : candidates) {
    const size_t longer = std::max(name.size(), candidate.size());
    if (longer > kLongest) {
      continue;
    }
    const int distance = edit_distance(name, candidate);
    if (distance < best && distance <= std::max<int>(1, static_cast<int>(longer) / 3)) {
      best = distance;
      nearest = candidate;
    }
  }
  return std::string(nearest);
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : fmt::format(", did you mean '{}'?", printable(nearest));
}

size_t bytes_of_first(size_t count, std::string_view text) {
  const auto inside = [&](size_t at) {  // a code point
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  size_t bytes = 0;
  for (; count > 0 && bytes < text.size(); --count) {
    for (++bytes; inside(bytes); ++bytes) {
    }
  }
  return bytes;
}

std::vector<std::string> comma_separated(std::string_view text) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (const std::string_view name = trimmed(text.substr(begin, end - begin)); !name.empty()) {
      names.emplace_back(name);
    }
    begin = end + 1;
  }
  return names;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::vector<std::string> filled_lines(std::string_view text) {
  std::vector<std::string> lines;
  for_filled_lines(text, [&](std::string_view line, int64_t) { lines.emplace_back(line); });
  return lines;
}

std::string_view without_mark(std::string_view text, const std::string& name) {
  if (text.starts_with("\xEF\xBB\xBF")) {
    return text.substr(3);
  }
  const bool mark = text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
  const bool zero = text.size() >= 4 && text.substr(0, 4).find('\0') != std::string_view::npos;
  require<DataError>(!mark && !zero,
                     "{}: UTF-16 or UTF-32 text, expected UTF-8; convert it with iconv -f {} -t "
                     "UTF-8 FILE", name, mark ? "UTF-16" : "UTF-16LE");
  return text;
}

std::filesystem::path safe_relative_path(std::string_view path, const std::string& where) {
  require<DataError>(!path.empty(), "{}: empty path, expected the path of a picture", where);
  require<DataError>(path.find('\0') == std::string_view::npos,
                     "{}: path '{}' holds a NUL byte, expected the path of a picture", where,
                     printable(path));
  std::filesystem::path result(path);
  require<DataError>(result.is_relative(),
                     "{}: path '{}' is absolute, expected a path below the data folder", where,
                     printable(path));
  require<DataError>(std::find(result.begin(), result.end(), "..") == result.end(),
                     "{}: path '{}' contains '..', expected a path below the data folder", where,
                     printable(path));
  return result;
}

std::filesystem::path resolve_below(const std::filesystem::path& root,
                                    const std::filesystem::path& folder,
                                    const std::filesystem::path& relative) {
  std::error_code error;
  const std::filesystem::path full = folder / relative;
  const std::filesystem::path real = std::filesystem::canonical(full, error);
  if (error) {
    return full;
  }
  const auto is_in = [&](const std::filesystem::path& trusted) {
    const std::filesystem::path base = std::filesystem::canonical(trusted, error);
    return !error && base != real &&
           std::mismatch(base.begin(), base.end(), real.begin(), real.end()).first == base.end();
  };
  const auto is_in_top_folder = [&] {
    const std::filesystem::path below = full.lexically_relative(root);
    return !below.empty() && *below.begin() != ".." && is_in(root / *below.begin());
  };
  require<DataError>(is_in(root) || is_in(folder) || is_in_top_folder(),
                     "{}: symbolic link to {}, outside the data folder {}; copy the file, or point "
                     "data.root at a folder that contains both",
                     printable(full.native()), printable(real.native()), printable(root.native()));
  return real;
}

}  // namespace mld
