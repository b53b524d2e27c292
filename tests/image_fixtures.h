// Shared by the picture tests: where fixtures are, hashes, pictures of noise, comparing pixels.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
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

// The message of the DataError that a call must throw.
inline std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const mld::DataError& error) {
    return error.what();
  }
  return "(no error)";
}

inline std::vector<uint8_t> read_bytes(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path.string());
  return {std::istreambuf_iterator<char>(in), {}};
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

// Whether every pixel is equal; reports the first difference.
inline void check_same(const Image& got, const Image& expected, const std::string& what) {
  INFO(what);
  REQUIRE(got.width == expected.width);
  REQUIRE(got.height == expected.height);
  const auto at = std::mismatch(got.rgb.begin(), got.rgb.end(), expected.rgb.begin());
  CHECK_MESSAGE(at.first == got.rgb.end(), "first difference at byte ",
                at.first - got.rgb.begin(), " of ", got.rgb.size());
}

// Pseudo-random pixels (a linear congruential generator seeded by the size), as img_hashes.tsv was
// made from.
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

}  // namespace mld::test
