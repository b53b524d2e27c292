// The table of config keys that parsing, printing and help share.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "train/config.h"

namespace mld {

using Pair = std::array<double, 2>;
// A pointer to a key's value inside a Config; its type is the key's.
using Field =
    std::variant<std::string*, int64_t*, double*, bool*, Pair*, std::optional<Pair>*>;

// Whether a key matters for what a run computes.
enum class Effect {
  results,  // yes: it must agree on resume, and weight files record it
  none,     // no: names, speed, safety
  place,    // no: a file or folder, relative to the config file it is given in
};

struct Key {
  std::string_view section, name;  // section "" is the top of the file
  Field (*field)(Config&);
  std::string_view meaning;
  std::vector<std::string_view> choices{};  // of a text; empty: any text
  // The range of a number, and of each of a pair.
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  Effect effect = Effect::results;

  std::string full_name() const;  // "optim.lr", "seed"
};

// In the order of the file.
std::span<const Key> config_keys();
// The sections but the top, in the order of the file.
std::span<const std::string_view> config_sections();
// Null if there is no such key.
const Key* find_key(std::string_view section, std::string_view name);

// "text", "integer", "number", "true or false", "two numbers", ...
std::string_view type_name(const Field& field);
// The value as TOML.
std::string to_toml_value(const Field& field);
// The text as a TOML string with its quotes.
std::string toml_string(std::string_view text);

}  // namespace mld
