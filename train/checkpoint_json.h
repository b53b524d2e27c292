// The small JSON values in a checkpoint's metadata, read with errors that name file and field.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// {"name": "text", ...} in key order.
std::string json_object(const std::map<std::string, std::string>& texts);

// Errors, for all: DataError naming `file` and `field` when the JSON is malformed, has a name twice
// or holds another type.
std::vector<std::string> parse_text_array(const std::string& json, const std::string& file,
                                          const char* field);
std::map<std::string, std::string> parse_text_object(const std::string& json,
                                                     const std::string& file, const char* field);
std::map<std::string, double> parse_number_object(const std::string& json, const std::string& file,
                                                  const char* field);

// An object whose fields have known names and types.
class JsonFields {
 public:
  JsonFields(const std::string& json, const std::string& file, const char* field);
  ~JsonFields();

  // Errors: DataError if the field is missing or of another type.
  std::string text(const char* name) const;
  int64_t integer(const char* name) const;
  double number(const char* name) const;
  std::string one_of(const char* name, std::initializer_list<std::string_view> allowed) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mld
