// Tables: arrays of rows that have a `name`. The available choices, and messages about them, come
// from these.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/ranges.h>

#include "core/error.h"

namespace mld {

template <class Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) {
    names.push_back(row.name);
  }
  return names;
}

// Errors: UsageError starting with `key` (say "model.head") if there is no such row.
template <class Rows>
const auto& row_named(const Rows& rows, std::string_view name, std::string_view key) {
  for (const auto& row : rows) {
    if (row.name == name) {
      return row;
    }
  }
  fail<UsageError>("{}: unknown name \"{}\"; known are {}", key, name,
                   fmt::join(names_of(rows), ", "));
}

}  // namespace mld
