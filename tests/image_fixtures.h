// What the picture tests share: where fixtures are, hashes, pictures of noise, comparing pixels.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "data/image.h"
#include "data/safetensors.h"
#include "tests/paths.h"

namespace mld::test {

inline std::filesystem::path fixtures() {
  return std::filesystem::path(source_dir()) / "tests" / "fixtures";
}

// The shared folder with the full reference data, or an empty path where there is none.
inline std::filesystem::path shared_folder() {
  const char* set = std::getenv("MLD_SHARED");
  const std::filesystem::path path =
      set != nullptr ? std::filesystem::path(set)
                     : std::filesystem::path(source_dir()).parent_path() / "shared";
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

inline std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// The fields of every line of a tab-separated file but the first.
inline std::vector<std::vector<std::string>> read_tsv(const std::filesystem::path& path) {
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.good(), path.string());
  std::vector<std::vector<std::string>> rows;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    rows.push_back(split(line, '\t'));
  }
  return rows;
}

// A U8 tensor [height, width, 3] as a picture.
inline Image to_image(const SafeTensor& tensor) {
  REQUIRE(tensor.dtype == "U8");
  REQUIRE(tensor.shape.size() == 3);
  REQUIRE(tensor.shape[2] == 3);
  Image image(static_cast<int>(tensor.shape[1]), static_cast<int>(tensor.shape[0]));
  std::copy(tensor.bytes.begin(), tensor.bytes.end(), image.rgb.begin());
  return image;
}

// Every pixel equal? Reports the first difference.
inline void check_same(const Image& got, const Image& expected, const std::string& what) {
  INFO(what);
  REQUIRE(got.width == expected.width);
  REQUIRE(got.height == expected.height);
  const auto at = std::mismatch(got.rgb.begin(), got.rgb.end(), expected.rgb.begin());
  CHECK_MESSAGE(at.first == got.rgb.end(), "first difference at byte ",
                at.first - got.rgb.begin(), " of ", got.rgb.size());
}

// Pseudo-random pixels (a linear congruential generator seeded by the size): what img_hashes.tsv
// was made from.
inline Image noise(int width, int height) {
  Image image(width, height);
  uint32_t state = static_cast<uint32_t>(width) * 65536u + static_cast<uint32_t>(height);
  for (uint8_t& value : image.rgb) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<uint8_t>(state >> 24);
  }
  return image;
}

inline std::string hex(uint64_t value, int digits) {
  std::string text;
  for (int i = digits - 1; i >= 0; --i) {
    text += "0123456789abcdef"[value >> (4 * i) & 15];
  }
  return text;
}

inline std::string fnv1a(const Image& image) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t value : image.rgb) {
    hash = (hash ^ value) * 0x100000001b3u;
  }
  return hex(hash, 16);
}

// The first 16 hex digits of the SHA-256 (FIPS 180-4).
inline std::string sha256_16(std::span<const uint8_t> data) {
  // Round constants: the first 32 bits of the fractional parts of the cube roots of the primes.
  static const std::array<uint32_t, 64> kRound = [] {
    std::array<uint32_t, 64> k{};
    size_t found = 0;
    for (uint64_t p = 2; found < 64; ++p) {
      bool prime = true;
      for (uint64_t d = 2; d * d <= p; ++d) {
        prime = prime && p % d != 0;
      }
      if (prime) {  // floor(cbrt(p) * 2^32) by bisection on integers
        unsigned __int128 low = 0, high = (unsigned __int128){16} << 32;
        while (high - low > 1) {
          const unsigned __int128 middle = (low + high) / 2;
          const bool below = middle * middle * middle <= (unsigned __int128){p} << 96;
          (below ? low : high) = middle;
        }
        k[found++] = static_cast<uint32_t>(low);
      }
    }
    return k;
  }();
  std::array<uint32_t, 8> h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::vector<uint8_t> message(data.begin(), data.end());
  message.push_back(0x80);
  message.resize((message.size() + 8 + 63) / 64 * 64);
  for (size_t i = 0; i < 8; ++i) {
    message[message.size() - 1 - i] = static_cast<uint8_t>(data.size() * 8 >> (8 * i));
  }
  for (size_t block = 0; block < message.size(); block += 64) {
    std::array<uint32_t, 64> w{};
    for (size_t t = 0; t < 64; ++t) {
      if (t < 16) {
        const uint8_t* b = &message[block + 4 * t];
        w[t] = uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
      } else {
        const uint32_t a = w[t - 15], c = w[t - 2];
        w[t] = w[t - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[t - 7] +
               (std::rotr(c, 17) ^ std::rotr(c, 19) ^ c >> 10);
      }
    }
    std::array<uint32_t, 8> s = h;
    for (size_t t = 0; t < 64; ++t) {
      const uint32_t t1 = s[7] + (std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25)) +
                          ((s[4] & s[5]) ^ (~s[4] & s[6])) + kRound[t] + w[t];
      const uint32_t t2 = (std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22)) +
                          ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      s = {t1 + t2, s[0], s[1], s[2], s[3] + t1, s[4], s[5], s[6]};
    }
    for (size_t i = 0; i < 8; ++i) {
      h[i] += s[i];
    }
  }
  return hex(h[0], 8) + hex(h[1], 8);
}

}  // namespace mld::test
