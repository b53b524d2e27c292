#include "tests/parity/json.h"

#include <fstream>
#include <sstream>

#include <rapidjson/error/en.h>

#include "core/error.h"

namespace mld::parity {
namespace {

const Json kNull;

// The member with a value of the wanted type; nullptr if it is absent and may be.
template <class Is>
const Json* find(const Json& object, const char* key, bool optional, const char* type, Is is) {
  const Json& value = member(object, key);
  if (value.IsNull()) {
    require<DataError>(optional, "manifest: \"{}\" is missing, expected {}", key, type);
    return nullptr;
  }
  require<DataError>(is(value), "manifest: \"{}\" is not {}", key, type);
  return &value;
}

}  // namespace

rapidjson::Document read_json(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  require<DataError>(file.good(), "{}: cannot be opened", path.string());
  std::ostringstream content;
  content << file.rdbuf();
  rapidjson::Document document;
  document.Parse(content.str().c_str());
  require<DataError>(!document.HasParseError(), "{}: byte {}: {}", path.string(),
                     document.GetErrorOffset(),
                     rapidjson::GetParseError_En(document.GetParseError()));
  return document;
}

const Json& member(const Json& object, const char* key) {
  if (!object.IsObject()) {
    return kNull;
  }
  const auto found = object.FindMember(key);
  return found == object.MemberEnd() ? kNull : found->value;
}

bool has(const Json& object, const char* key) { return !member(object, key).IsNull(); }

double number(const Json& object, const char* key, std::optional<double> fallback) {
  const Json* value = find(object, key, fallback.has_value(), "a number",
                           [](const Json& v) { return v.IsNumber(); });
  return value ? value->GetDouble() : *fallback;
}

int64_t integer(const Json& object, const char* key, std::optional<int64_t> fallback) {
  const Json* value = find(object, key, fallback.has_value(), "an integer",
                           [](const Json& v) { return v.IsInt64(); });
  return value ? value->GetInt64() : *fallback;
}

bool flag(const Json& object, const char* key, std::optional<bool> fallback) {
  const Json* value = find(object, key, fallback.has_value(), "true or false",
                           [](const Json& v) { return v.IsBool(); });
  return value ? value->GetBool() : *fallback;
}

std::string text(const Json& object, const char* key, std::optional<std::string> fallback) {
  const Json* value = find(object, key, fallback.has_value(), "a text",
                           [](const Json& v) { return v.IsString(); });
  return value ? std::string(value->GetString(), value->GetStringLength()) : *fallback;
}

std::vector<double> numbers(const Json& object, const char* key) {
  const Json* value = find(object, key, false, "an array of numbers", [](const Json& v) {
    return v.IsArray();
  });
  std::vector<double> out;
  for (const Json& element : value->GetArray()) {
    require<DataError>(element.IsNumber(), "manifest: \"{}\" holds more than numbers", key);
    out.push_back(element.GetDouble());
  }
  return out;
}

std::vector<int64_t> integers(const Json& object, const char* key) {
  std::vector<int64_t> out;
  for (const double value : numbers(object, key)) {
    out.push_back(static_cast<int64_t>(value));
  }
  return out;
}

std::vector<const Json*> elements(const Json& value) {
  std::vector<const Json*> out;
  if (value.IsArray()) {
    for (const Json& element : value.GetArray()) {
      out.push_back(&element);
    }
  } else if (!value.IsNull()) {
    out.push_back(&value);
  }
  return out;
}

}  // namespace mld::parity
