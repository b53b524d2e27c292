// JSON text. Everything this program writes as JSON is written through here.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mld {

//   JsonWriter json;
//   json.object().member("name", "cat").key("scores").array().value(0.5).end().end();
//   json.text()  ->  {"name": "cat", "scores": [0.5]}
class JsonWriter {
 public:
  enum class Style { line, indented };
  explicit JsonWriter(Style style = Style::line);
  ~JsonWriter();

  JsonWriter& object();
  JsonWriter& array();
  JsonWriter& end();  // ends the innermost object or array
  JsonWriter& key(std::string_view name);

  // Escaped as by json_string(): valid whatever the bytes.
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  // The shortest digits that read back as the same number. NaN and infinities, which JSON does not
  // have, become null.
  JsonWriter& value(double number);
  JsonWriter& value(bool flag);
  JsonWriter& value(std::integral auto number) { return integer(static_cast<int64_t>(number)); }
  // `json` must be valid JSON.
  JsonWriter& raw(std::string_view json);

  JsonWriter& values(const auto& several) {  // an array
    array();
    for (const auto& one : several) {
      value(one);
    }
    return end();
  }

  JsonWriter& members(const auto& pairs) {  // an object
    object();
    for (const auto& [name, one] : pairs) {
      member(name, one);
    }
    return end();
  }

  JsonWriter& member(std::string_view name, const auto& what) { return key(name).value(what); }

  // The text written; every object and array must have been ended.
  std::string text() const;

 private:
  struct Impl;

  JsonWriter& integer(int64_t number);

  std::unique_ptr<Impl> impl_;
};

// For numbers meant for people to read, not for further computation: 0.123457.
double rounded(double value, int decimals = 6);

}  // namespace mld
