// Reads TOML text as a flat list of values with their places. Only this uses the TOML library.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/config_value.h"

namespace mld {

// A piece of one line of the text.
struct TomlPlace {
  int64_t line = 1, column = 1;  // from 1, in bytes
  int64_t length = 1;
  std::string text;  // the whole line

  auto operator<=>(const TomlPlace&) const = default;
};

struct TomlEntry {
  std::string section, name;  // section "" at the top of the file
  GivenValue value;
  TomlPlace key_place, value_place;
};

struct TomlSection {
  std::string name;
  TomlPlace place;
};

// The error in a text that is not TOML; the reader stops there.
struct TomlProblem {
  std::string what;
  TomlPlace place;
};

struct TomlDocument {
  std::vector<TomlSection> sections;  // both in the text's order
  std::vector<TomlEntry> entries;
  std::optional<TomlProblem> problem;
};

// Never throws, whatever the text. Integers beyond 64 bits, nesting deeper than 256 and text that
// is not UTF-8 are reported as problems. A byte order mark is skipped.
TomlDocument read_toml(std::string_view text);

}  // namespace mld
