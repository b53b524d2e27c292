#include "app/toml_reader.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <sstream>
#include <tuple>

#include <fmt/core.h>
#include <toml.hpp>

#include "data/text.h"

namespace mld {
namespace {

TomlPlace place_of(const toml::source_location& location) {
  return {location.line(), location.column(),
          std::max<int64_t>(1, static_cast<int64_t>(location.region())), location.line_str()};
}

// The library keeps no place for keys: look for the name before the value on its line.
TomlPlace place_of_key(const std::string& name, const TomlPlace& value) {
  const size_t before = static_cast<size_t>(std::max<int64_t>(value.column - 1, 0));
  const size_t at = value.text.rfind(name, before);
  if (name.empty() || at == std::string::npos || at + name.size() > before) {
    return value;
  }
  TomlPlace key = value;
  key.column = static_cast<int64_t>(at) + 1;
  key.length = static_cast<int64_t>(name.size());
  return key;
}

// The library wraps integers beyond 64 bits around silently: read the literal again.
bool fits_int64(const TomlPlace& place) {
  std::string digits;
  for (const char c : place.text.substr(std::min(static_cast<size_t>(place.column - 1),
                                                 place.text.size()),
                                        static_cast<size_t>(place.length))) {
    if (c != '_' && c != '+') {
      digits += c;
    }
  }
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0') {
    base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : digits[1] == 'b' ? 2 : 10;
    digits.erase(0, base == 10 ? 0 : 2);
  }
  int64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return result.ec != std::errc::result_out_of_range;
}

GivenValue array_of(const toml::value& value) {
  std::vector<double> numbers;
  for (const toml::value& item : value.as_array()) {
    if (item.is_floating()) {
      numbers.push_back(item.as_floating());
    } else if (item.is_integer()) {
      numbers.push_back(static_cast<double>(item.as_integer()));
    } else {
      return OtherValue{"an array that holds not only numbers"};
    }
  }
  return numbers;
}

GivenValue convert(const toml::value& value, const TomlPlace& place) {
  switch (value.type()) {
    case toml::value_t::string: return std::string(value.as_string().str);
    case toml::value_t::integer:
      if (!fits_int64(place)) {
        return OtherValue{"an integer beyond 64 bits"};
      }
      return static_cast<int64_t>(value.as_integer());
    case toml::value_t::floating: return static_cast<double>(value.as_floating());
    case toml::value_t::boolean: return static_cast<bool>(value.as_boolean());
    case toml::value_t::array: return array_of(value);
    case toml::value_t::table: return OtherValue{"a section"};
    default: return OtherValue{"a date or time"};
  }
}

void add_entry(TomlDocument& document, const std::string& section, const std::string& name,
               const toml::value& value) {
  const TomlPlace place = place_of(value.location());
  document.entries.push_back(
      {section, name, convert(value, place), place_of_key(name, place), place});
}

TomlDocument flatten(const toml::value& root) {
  TomlDocument document;
  for (const auto& [name, value] : root.as_table()) {
    if (!value.is_table()) {
      add_entry(document, "", name, value);
      continue;
    }
    const TomlPlace place = place_of(value.location());
    document.sections.push_back({name, place});
    for (const auto& [key, item] : value.as_table()) {
      add_entry(document, name, key, item);
    }
  }
  const auto earlier = [](const TomlPlace& a, const TomlPlace& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  };
  std::sort(document.sections.begin(), document.sections.end(),
            [&](const auto& a, const auto& b) { return earlier(a.place, b.place); });
  std::sort(document.entries.begin(), document.entries.end(), [&](const auto& a, const auto& b) {
    return earlier(a.value_place, b.value_place);
  });
  return document;
}

// "[error] toml::parse_key: an invalid key appeared.\n --> ..." as "an invalid key appeared".
std::string essence(const std::string& message) {
  std::string line = message.substr(0, message.find('\n'));
  const size_t prefix = line.find("toml::");
  const size_t colon = prefix == std::string::npos ? prefix : line.find(": ", prefix);
  if (colon != std::string::npos) {
    line.erase(0, colon + 2);
  }
  while (!line.empty() && line.back() == '.') {
    line.pop_back();
  }
  return line;
}

// What would make the library's recursive parser run out of stack, or what it does not look at.
std::optional<TomlProblem> check_text(std::string_view text) {
  constexpr int kMaxDepth = 100, kMaxDots = 200;
  int depth = 0;
  int64_t line_number = 1;
  for (size_t begin = 0; begin <= text.size(); ++line_number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    TomlPlace place{line_number, 1, 1, std::string(line)};
    if (!is_utf8(line) || line.find('\0') != std::string_view::npos) {
      return TomlProblem{"the text is not UTF-8", std::move(place)};
    }
    for (const char c : line) {
      depth = std::max(0, depth + (c == '[' || c == '{') - (c == ']' || c == '}'));
      if (depth > kMaxDepth) {
        return TomlProblem{"brackets are nested too deeply", std::move(place)};
      }
    }
    if (std::count(line.begin(), line.end(), '.') > kMaxDots) {
      return TomlProblem{"too many dots in one line", std::move(place)};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace

TomlDocument read_toml(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  TomlDocument document;
  document.problem = check_text(text);
  if (document.problem) {
    return document;
  }
  std::istringstream stream{std::string(text)};
  try {
    return flatten(toml::parse(stream, "config"));
  } catch (const toml::exception& error) {
    document.problem = TomlProblem{essence(error.what()), place_of(error.location())};
  } catch (const std::exception& error) {  // the library's internal errors know no place
    document.problem = TomlProblem{essence(error.what()), {}};
  }
  return document;
}

}  // namespace mld
