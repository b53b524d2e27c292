// JSON of moderate size as a document, for the formats.
#pragma once

#include <istream>  // before the attribute below, which would meet its definitions
#include <string>
#include <string_view>

// rapidjson 1.1 computes null + n for an empty stack: harmless, but an error to clang's sanitizer.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif

namespace mld {

// Parses without recursion, so that nesting takes memory but no stack; NaN and Infinity are
// allowed. `name` starts messages. Errors: DataError with the byte offset.
rapidjson::Document parse_json(std::string_view text, const std::string& name);

// "a list", "an object", ..., for messages.
const char* json_kind(const rapidjson::Value& value);

}  // namespace mld
