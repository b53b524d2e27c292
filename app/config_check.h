// Checking config values against each other, and saying where they stand.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/toml_reader.h"
#include "train/config.h"
#include "train/config_keys.h"

namespace mld {

// Where a key was given: a file, or "command line" with line 0.
struct GivenPlace {
  std::string file;
  TomlPlace place;
  bool valid = true;  // false: the value was refused and the config keeps another
};
using GivenKeys = std::map<std::string, GivenPlace>;  // by full name; the last one given

// "file:line:column: what", the line, and a caret under the place.
std::string located_message(const std::string& file, const TomlPlace& place,
                            std::string_view what);

// Appends a located message for every set of keys that cannot go together, unless one of them was
// refused already.
void check_contradictions(const Config& config, const GivenKeys& given,
                          std::vector<std::string>& problems);

}  // namespace mld
