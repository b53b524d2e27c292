// The values of config keys: in a Config, in a file, and as text.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mld {

class JsonWriter;

using Pair = std::array<double, 2>;
// A key's value, of the key's type. An enum is held as its word.
using Value =
    std::variant<std::string, int64_t, double, bool, Pair, std::optional<Pair>,
                 std::vector<double>>;

// A value of a kind that no key accepts, described: "a date or time", "a section".
struct OtherValue {
  std::string kind;
};
// A key's value as given in TOML or JSON.
using GivenValue =
    std::variant<std::string, int64_t, double, bool, std::vector<double>, OtherValue>;

// "text", "integer", "number", "true or false", "two numbers", ...
std::string_view type_name(const Value& value);
// The value as TOML, and as JSON.
std::string to_toml_value(const Value& value);
void write_value(JsonWriter& json, const Value& value);
// "the text "x"", "the integer 3", ...
std::string describe(const GivenValue& value);

}  // namespace mld
