#include "train/checkpoint_json.h"

#include <algorithm>
#include <set>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include "core/error.h"
#include "data/text.h"

namespace mld {

namespace {

// Iterative, so that deeply nested input cannot exhaust the stack.
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                            rapidjson::kParseValidateEncodingFlag |
                            rapidjson::kParseFullPrecisionFlag;

rapidjson::Document parse(const std::string& json, const std::string& file, const char* field) {
  rapidjson::Document document;
  document.Parse<kFlags>(json.data(), json.size());
  require<DataError>(!document.HasParseError(), "{}: metadata \"{}\", byte {}: {}", file, field,
                     document.GetErrorOffset(),
                     rapidjson::GetParseError_En(document.GetParseError()));
  return document;
}

std::string as_text(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

// Text or numbers.
template <class T>
constexpr const char* kWord = std::is_same_v<T, std::string> ? "text" : "number";

template <class T>
bool is_a(const rapidjson::Value& value) {
  return std::is_same_v<T, std::string> ? value.IsString() : value.IsNumber();
}

template <class T>
T as(const rapidjson::Value& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return as_text(value);
  } else {
    return value.GetDouble();
  }
}

// Calls take(name, value) for every member of an object; `expected` describes the members.
template <class Fits, class Take>
void for_members(const rapidjson::Document& document, const std::string& file, const char* field,
                 const char* expected, Fits fits, Take take) {
  require<DataError>(document.IsObject(), "{}: metadata \"{}\" must be an object of {}", file,
                     field, expected);
  for (const auto& member : document.GetObject()) {
    const std::string name = as_text(member.name);
    require<DataError>(fits(member.value), "{}: metadata \"{}\": {} must be a {}", file, field,
                       printable(name), expected);
    require<DataError>(take(name, member.value), "{}: metadata \"{}\" has {} twice", file, field,
                       printable(name));
  }
}

}  // namespace

template <class T>
std::vector<T> parse_array(const std::string& json, const std::string& file, const char* field) {
  const rapidjson::Document document = parse(json, file, field);
  constexpr bool kText = std::is_same_v<T, std::string>;
  require<DataError>(document.IsArray(), "{}: metadata \"{}\" must be an array of {}", file, field,
                     kText ? "text" : "numbers");
  std::vector<T> values;
  for (const rapidjson::Value& value : document.GetArray()) {
    require<DataError>(is_a<T>(value), "{}: metadata \"{}\": entry {} must be {}", file, field,
                       values.size(), kText ? "text" : "a number");
    values.push_back(as<T>(value));
  }
  return values;
}
template std::vector<std::string> parse_array(const std::string&, const std::string&, const char*);
template std::vector<double> parse_array(const std::string&, const std::string&, const char*);

template <class T>
std::map<std::string, T> parse_object(const std::string& json, const std::string& file,
                                      const char* field) {
  std::map<std::string, T> members;
  for_members(
      parse(json, file, field), file, field, kWord<T>, is_a<T>,
      [&](const std::string& name, const rapidjson::Value& value) {
        return members.emplace(name, as<T>(value)).second;
      });
  return members;
}
template std::map<std::string, std::string> parse_object(const std::string&, const std::string&,
                                                         const char*);
template std::map<std::string, double> parse_object(const std::string&, const std::string&,
                                                    const char*);

// ---- config keys --------------------------------------------------------------------------------

static GivenValue given_value(const rapidjson::Value& value) {
  if (value.IsString()) return as_text(value);
  if (value.IsInt64()) return value.GetInt64();
  if (value.IsNumber()) return value.GetDouble();
  if (value.IsBool()) return value.GetBool();
  if (value.IsNull()) return OtherValue{"null"};
  if (value.IsObject()) return OtherValue{"an object"};
  std::vector<double> numbers;
  for (const rapidjson::Value& item : value.GetArray()) {
    if (!item.IsNumber()) return OtherValue{"an array that holds not only numbers"};
    numbers.push_back(item.GetDouble());
  }
  return numbers;
}

void read_keys(const std::vector<Key>& keys, const KeysJson& from, Config& config) {
  const auto store = [&](const Key& key, const GivenValue& value) {
    const std::string wrong = assign(key, value, config);
    require<DataError>(wrong.empty(), "{}: metadata \"{}\": {}: {}", from.file, from.field,
                       key.name, wrong);
  };
  for (const Key& key : keys) {
    const auto meant =
        std::ranges::upper_bound(key.earlier, from.version, {}, &Key::Earlier::before);
    if (meant != key.earlier.end()) {  // in files of this version, if they lack the key
      store(key, meant->value);
    }
  }
  std::set<std::string> seen;
  for_members(
      parse(from.json, from.file, from.field), from.file, from.field, "config keys",
      [](const rapidjson::Value&) { return true; },
      [&](const std::string& name, const rapidjson::Value& value) {
        const auto key = std::find_if(keys.begin(), keys.end(),
                                      [&](const Key& known) { return known.name == name; });
        require<DataError>(key != keys.end(),
                           "{}: metadata \"{}\" have {}, which this program does not know: the "
                           "file was written by a newer version; use that one", from.file,
                           from.field, printable(name));
        store(*key, given_value(value));
        return seen.insert(name).second;
      });
}

}  // namespace mld
