// Reads the small JSON values in a checkpoint's metadata; errors name the file and the field.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "train/config_keys.h"

namespace mld {

// Errors of all: DataError naming `file` and `field` if the JSON is malformed, has a name
// twice or has the wrong type.
template <class T>  // std::string or double
std::vector<T> parse_array(const std::string& json, const std::string& file, const char* field);
template <class T>  // std::string or double
std::map<std::string, T> parse_object(const std::string& json, const std::string& file,
                                      const char* field);

// A JSON object of config keys, and the format version of its file.
struct KeysJson {
  const std::string& json;
  const std::string& file;
  const char* field;
  int version;
};
// Stores the values in the config. A missing key takes its default, or its meaning in files of that
// version. Errors: as above; also a value that the key refuses, and a key that is not in `keys`: a
// newer version wrote it.
void read_keys(const std::vector<Key>& keys, const KeysJson& from, Config& config);

}  // namespace mld
