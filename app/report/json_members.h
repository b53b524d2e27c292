// Members of JSON objects from files that may be damaged: one of another type counts as missing.
#pragma once

#include <optional>
#include <string>

#include <rapidjson/document.h>

namespace mld {

inline std::optional<double> number_in(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  const bool number = found != object.MemberEnd() && found->value.IsNumber();
  return number ? std::optional(found->value.GetDouble()) : std::nullopt;
}

inline std::optional<std::string> text_in(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  const bool text = found != object.MemberEnd() && found->value.IsString();
  return text ? std::optional(std::string(found->value.GetString(),
                                          found->value.GetStringLength()))
              : std::nullopt;
}

}  // namespace mld
