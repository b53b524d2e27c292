// Reading the manifest's JSON: optional members with defaults, wrong types as errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <rapidjson/document.h>

namespace mld::parity {

using Json = rapidjson::Value;

// Errors: DataError for a missing or malformed file.
rapidjson::Document read_json(const std::filesystem::path& path);

// The member, or a null value if `object` is not an object or lacks it.
const Json& member(const Json& object, const char* key);
bool has(const Json& object, const char* key);  // present and not null

// A member's value. Without a fallback it must be there. Errors: DataError naming key and type.
double number(const Json& object, const char* key, std::optional<double> fallback = {});
int64_t integer(const Json& object, const char* key, std::optional<int64_t> fallback = {});
bool flag(const Json& object, const char* key, std::optional<bool> fallback = {});
std::string text(const Json& object, const char* key, std::optional<std::string> fallback = {});
std::vector<double> numbers(const Json& object, const char* key);
std::vector<int64_t> integers(const Json& object, const char* key);

// The elements of an array, or the value itself as the only one ("config" may be either).
std::vector<const Json*> elements(const Json& value);

}  // namespace mld::parity
