// Checks config values against each other, and locates them in messages.
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
  bool valid = true;  // false: the value was refused and is not in the config
};
using GivenKeys = std::map<std::string, GivenPlace>;  // by full name; the last one given

// "file:line:column: message", the line, and a caret under the place.
std::string located_message(const std::string& file, const TomlPlace& place,
                            std::string_view what);

// Appends a located message for every set of keys that contradict each other, unless one of them
// was refused already.
void check_contradictions(const Config& config, const GivenKeys& given,
                          std::vector<std::string>& problems);

}  // namespace mld
