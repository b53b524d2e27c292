// SHA-256 of a file (FIPS 180-4): the manifest's proof that a reference is undamaged.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace mld::parity {

std::string sha256(std::span<const unsigned char> bytes);  // 64 lower-case hexadecimal digits

}  // namespace mld::parity
