// Unpacking small gzip files (RFC 1952) whole, by zlib.
#pragma once

#include <string>
#include <string_view>

namespace mld {

inline bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

// The content of a gzip file of one member or several. `name` starts the message. Errors: DataError
// for a damaged or truncated file, and for a content of more than max_bytes.
std::string gunzip(std::string_view bytes, size_t max_bytes, const std::string& name);

}  // namespace mld
