// Help on config keys, from the table that parsing and printing use.
#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/config_file.h"
#include "core/error.h"
#include "data/formats/format.h"
#include "data/text.h"
#include "train/config_keys.h"

namespace mld {
namespace {

// "text: one of a, b", "number, 0 to 1", "integer, 1 or more"
std::string type_of(const Key& key, const Value& value) {
  std::string text(type_name(value));
  if (!key.choices.empty()) {
    return fmt::format("{}", fmt::join(key.choices, " | "));
  }
  if (std::isfinite(key.minimum) && std::isfinite(key.maximum) && key.maximum < 1e6) {
    text += fmt::format(", {} to {}", key.minimum, key.maximum);
  } else if (std::isfinite(key.minimum)) {
    text += fmt::format(", {} or more", key.minimum);
  }
  return text;
}

}  // namespace

std::string help_config(std::string_view section) {
  std::vector<std::string> known(config_sections().begin(), config_sections().end());
  const bool all = section.empty();
  if (!all && section != "top" && std::find(known.begin(), known.end(), section) == known.end()) {
    fail<UsageError>("unknown config section '{}'{}; there are top, {}", printable(section),
                     did_you_mean(section, known), fmt::join(known, ", "));
  }
  Config defaults;
  std::string text;
  std::string_view last = "?";
  for (const Key& key : config_keys()) {
    if (!all && (key.section.empty() ? "top" : key.section) != section) {
      continue;
    }
    if (key.section != last) {
      last = key.section;
      text += (text.empty() ? "" : "\n") +
              (last.empty() ? std::string("(top of the file)\n") : fmt::format("[{}]\n", last));
    }
    const Value value = key.get(defaults);
    text += fmt::format("  {:<18} {}\n", key.name, key.meaning);
    text += fmt::format("  {:<18}   {}; default {}\n", "", type_of(key, value),
                        to_toml_value(value));
  }
  if (all || section == "data") {
    text += (all ? "\n" : "") + data_format_help();
  }
  return text;
}

}  // namespace mld
