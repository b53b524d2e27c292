#include "app/toml_reader.h"

#include <algorithm>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0  // parse() returns the error
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 takes a letter such as an unquoted "ö" for unreachable when it asks for white space;
// the answer is no.
#if __has_include(<toml++/impl/unicode.h>)  // 3.4 renamed its headers
#include <toml++/impl/forward_declarations.h>
#pragma push_macro("TOML_UNREACHABLE")
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE return false
#include <toml++/impl/unicode.h>
#pragma pop_macro("TOML_UNREACHABLE")
#endif
#include <toml++/toml.h>

#include "data/text.h"

namespace mld {
namespace {

// The library counts columns in code points; ours are bytes of the line.
class Places {
 public:
  explicit Places(std::string_view text) {
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = text.substr(begin, end - begin);
      lines_.push_back(line.substr(0, line.size() - line.ends_with('\r')));
      begin = end + 1;
    }
  }

  TomlPlace at(const toml::source_region& region) const {
    const toml::source_index number = std::min<size_t>(region.begin.line, lines_.size());
    const std::string_view line = number > 0 ? lines_[number - 1] : "";
    const int64_t begin = byte_of(line, region.begin.column);
    const int64_t end = region.end.line == region.begin.line
                            ? byte_of(line, region.end.column)
                            : static_cast<int64_t>(line.size());
    return {number, begin + 1, std::max<int64_t>(1, end - begin), std::string(line)};
  }

 private:
  static int64_t byte_of(std::string_view line, size_t column) {
    return static_cast<int64_t>(bytes_of_first(std::max<size_t>(column, 1) - 1, line));
  }

  std::vector<std::string_view> lines_;
};

GivenValue array_of(const toml::array& array) {
  std::vector<double> numbers;
  for (const toml::node& item : array) {
    if (!item.is_number()) {
      return OtherValue{"an array that holds not only numbers"};
    }
    numbers.push_back(item.value<double>().value_or(0));
  }
  return numbers;
}

GivenValue convert(const toml::node& value) {
  switch (value.type()) {
    case toml::node_type::string: return value.as_string()->get();
    case toml::node_type::integer: return value.as_integer()->get();
    case toml::node_type::floating_point: return value.as_floating_point()->get();
    case toml::node_type::boolean: return value.as_boolean()->get();
    case toml::node_type::array: return array_of(*value.as_array());
    case toml::node_type::table: return OtherValue{"a section"};
    default: return OtherValue{"a date or time"};
  }
}

TomlDocument flatten(const toml::table& root, const Places& places) {
  TomlDocument document;
  const auto add = [&](const std::string& section, const toml::key& key, const toml::node& value) {
    document.entries.push_back({section, std::string(key.str()), convert(value),
                                places.at(key.source()), places.at(value.source())});
  };
  for (const auto& [key, value] : root) {
    const toml::table* table = value.as_table();
    if (table == nullptr) {
      add("", key, value);
      continue;
    }
    const std::string section(key.str());
    document.sections.push_back({section, places.at(key.source())});
    for (const auto& [inner, inner_value] : *table) {
      add(section, inner, inner_value);
    }
  }
  std::ranges::sort(document.sections, {}, &TomlSection::place);
  std::ranges::sort(document.entries, {}, &TomlEntry::value_place);
  return document;
}

// The number of a line with so many dots that its tables would be nested too deeply to destroy.
std::optional<size_t> line_of_many_dots(std::string_view text) {
  constexpr int kMostDots = 200;
  int dots = 0;
  size_t line = 1;
  for (const char c : text) {
    dots = c == '\n' ? 0 : dots + (c == '.');
    line += c == '\n';
    if (dots > kMostDots) {
      return line;
    }
  }
  return std::nullopt;
}

}  // namespace

TomlDocument read_toml(std::string_view text) {
  const Places places(text);
  if (const std::optional<size_t> line = line_of_many_dots(text)) {
    const toml::source_position start{static_cast<toml::source_index>(*line), 1};
    return {{}, {}, TomlProblem{"too many dots in one line", places.at({start, start, nullptr})}};
  }
  const toml::parse_result result = toml::parse(text);
  if (!result) {
    const toml::parse_error& error = result.error();
    return {{}, {}, TomlProblem{printable(error.description()), places.at(error.source())}};
  }
  return flatten(result.table(), places);
}

}  // namespace mld
