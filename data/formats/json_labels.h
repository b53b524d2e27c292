// The labels in a JSON object that describes a picture.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/csv_layout.h"
#include "data/formats/json.h"

namespace mld {

std::string_view json_text(const rapidjson::Value& value);  // of a string

// A text, or a whole number as text (pandas writes 7 as 7.0); nullopt for anything else.
std::optional<std::string> json_scalar(const rapidjson::Value& value);

// Whether a member's name has a role in a CSV's header: "file_name", "tags". See KnownName.
bool json_role(std::string_view key, CsvColumn role, bool sure);

struct JsonLabels {
  std::vector<std::string> present, unknown, absent;  // absent: named, with a 0
};

// Finds the member with the labels in the first object that has one, and reads it in all objects: a
// text (one label), a whole number, a list of these, null (none), an object of 1, 0 and null
// (unknown) by class, or "objects" with such "categories".
class JsonLabelReader {
 public:
  // `path_key`: a member that is not the labels. `where` starts messages. Errors: DataError for two
  // members that may be the labels, and labels of another kind.
  JsonLabels read(const rapidjson::Value& object, std::string_view path_key,
                  const std::string& where);
  const std::string& key() const { return key_; }          // "" until one is found
  const std::string& example() const { return example_; }  // a text with a comma, one label

 private:
  void add_value(const rapidjson::Value& value, const std::string& where, JsonLabels& labels);
  void add_label(const rapidjson::Value& value, const std::string& where,
                 JsonLabels& labels) const;
  void add_indicators(const rapidjson::Value& object, const std::string& where,
                      JsonLabels& labels) const;

  std::string key_, example_;
};

// The names of an object's members for which `test(name, value)` holds.
template <class Test>
std::vector<std::string> json_members(const rapidjson::Value& object, Test&& test) {
  std::vector<std::string> found;
  for (const auto& [key, value] : object.GetObject()) {
    if (test(json_text(key), value)) {
      found.emplace_back(json_text(key));
    }
  }
  return found;
}
// The only one of them. Errors: DataError naming two that may both be `what`.
std::string only_member(const std::vector<std::string>& found, std::string_view what,
                        const std::string& where);

}  // namespace mld
