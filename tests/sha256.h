// SHA-256 (FIPS 180-4): how lists of files and pictures tell that one is what it was.
#pragma once

#include <span>
#include <string>

namespace mld::test {

std::string sha256(std::span<const unsigned char> bytes);  // 64 lower-case hexadecimal digits

}  // namespace mld::test
