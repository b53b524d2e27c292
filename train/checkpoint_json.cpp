#include "train/checkpoint_json.h"

#include <algorithm>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include "core/error.h"
#include "data/text.h"

namespace mld {

namespace {

// Iterative: deeply nested input cannot exhaust the stack.
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;

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

std::string json_object(const std::map<std::string, std::string>& texts) {
  std::string members;
  for (const auto& [name, text] : texts) {
    members += fmt::format("{}{}:{}", members.empty() ? "" : ",", json_string(name),
                           json_string(text));
  }
  return fmt::format("{{{}}}", members);
}

std::vector<std::string> parse_text_array(const std::string& json, const std::string& file,
                                          const char* field) {
  const rapidjson::Document document = parse(json, file, field);
  require<DataError>(document.IsArray(), "{}: metadata \"{}\" must be an array of text", file,
                     field);
  std::vector<std::string> texts;
  for (const rapidjson::Value& value : document.GetArray()) {
    require<DataError>(value.IsString(), "{}: metadata \"{}\": entry {} must be text", file, field,
                       texts.size());
    texts.push_back(as_text(value));
  }
  return texts;
}

std::map<std::string, std::string> parse_text_object(const std::string& json,
                                                     const std::string& file, const char* field) {
  std::map<std::string, std::string> texts;
  for_members(
      parse(json, file, field), file, field, "text",
      [](const rapidjson::Value& value) { return value.IsString(); },
      [&](const std::string& name, const rapidjson::Value& value) {
        return texts.emplace(name, as_text(value)).second;
      });
  return texts;
}

std::map<std::string, double> parse_number_object(const std::string& json, const std::string& file,
                                                  const char* field) {
  std::map<std::string, double> numbers;
  for_members(
      parse(json, file, field), file, field, "number",
      [](const rapidjson::Value& value) { return value.IsNumber(); },
      [&](const std::string& name, const rapidjson::Value& value) {
        return numbers.emplace(name, value.GetDouble()).second;
      });
  return numbers;
}

struct JsonFields::Impl {
  rapidjson::Document document;
  std::string file;
  const char* field;

  const rapidjson::Value& at(const char* name) const {
    const auto member = document.FindMember(name);
    require<DataError>(member != document.MemberEnd(), "{}: metadata \"{}\" lack \"{}\"", file,
                       field, name);
    return member->value;
  }
  void check(bool fits, const char* name, const char* expected) const {
    require<DataError>(fits, "{}: metadata \"{}\": {} must be {}", file, field, name, expected);
  }
};

JsonFields::JsonFields(const std::string& json, const std::string& file, const char* field)
    : impl_(std::make_unique<Impl>(Impl{parse(json, file, field), file, field})) {
  require<DataError>(impl_->document.IsObject(), "{}: metadata \"{}\" must be an object", file,
                     field);
}

JsonFields::~JsonFields() = default;

std::string JsonFields::text(const char* name) const {
  const rapidjson::Value& value = impl_->at(name);
  impl_->check(value.IsString(), name, "text");
  return as_text(value);
}

int64_t JsonFields::integer(const char* name) const {
  const rapidjson::Value& value = impl_->at(name);
  impl_->check(value.IsInt64(), name, "an integer");
  return value.GetInt64();
}

double JsonFields::number(const char* name) const {
  const rapidjson::Value& value = impl_->at(name);
  impl_->check(value.IsNumber(), name, "a number");
  return value.GetDouble();
}

std::string JsonFields::one_of(const char* name,
                               std::initializer_list<std::string_view> allowed) const {
  const std::string value = text(name);
  const bool known = std::find(allowed.begin(), allowed.end(), value) != allowed.end();
  std::string names;
  for (const std::string_view choice : allowed) {
    names.append(names.empty() ? "" : ", ").append(choice);
  }
  require<DataError>(known, "{}: metadata \"{}\": {} is {}, known are {}", impl_->file,
                     impl_->field, name, printable(value), names);
  return value;
}

}  // namespace mld
