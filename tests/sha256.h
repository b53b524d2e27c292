// SHA-256 (FIPS 180-4): to check that files and pictures are unchanged.
#pragma once

#include <span>
#include <string>

namespace mld::test {

std::string sha256(std::span<const unsigned char> bytes);  // 64 lower-case hexadecimal digits

}  // namespace mld::test
