// One decoder per picture format, behind decode_image() of data/image.h. Internal to data/image_*.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <fmt/core.h>

#include "data/image.h"

namespace mld {

// What every decoder gets: the whole file, the name for messages, the limits.
struct EncodedImage {
  std::span<const uint8_t> bytes;
  std::string name;
  ImageLimits limits;
};

// Each decodes one format to RGB. Errors: DataError as decode_image().
Image decode_jpeg(const EncodedImage& file);
Image decode_png(const EncodedImage& file);
Image decode_bmp(const EncodedImage& file);
Image decode_pnm(const EncodedImage& file);
Image decode_gif(const EncodedImage& file);

// Throws DataError "<name>: <format>: <problem>" with what to do about it.
[[noreturn]] void fail_decoding(const EncodedImage& file, const char* format,
                                const std::string& problem);

// Refuses an empty picture and one beyond the limits, before any pixel has memory.
void check_image_size(const EncodedImage& file, const char* format, int64_t width, int64_t height);

// Reads a file in memory byte by byte, little-endian. Every read is checked: a decoder on top of it
// can be wrong, but it cannot read outside the file, and the end of the file is never silent.
class ByteReader {
 public:
  ByteReader(const EncodedImage& file, const char* format) : file_(file), format_(format) {}

  bool at_end() const { return position_ == file_.bytes.size(); }
  uint8_t u8() { return take(1)[0]; }
  uint32_t u16() {
    const auto b = take(2);
    return b[0] | uint32_t{b[1]} << 8;
  }
  uint32_t u32() {
    const auto b = take(4);
    return b[0] | uint32_t{b[1]} << 8 | uint32_t{b[2]} << 16 | uint32_t{b[3]} << 24;
  }
  // The next n bytes.
  std::span<const uint8_t> take(size_t n) {
    if (n > file_.bytes.size() - position_) {
      fail("the file ends early");
    }
    position_ += n;
    return file_.bytes.subspan(position_ - n, n);
  }
  void seek(size_t position) {
    if (position > file_.bytes.size()) {
      fail("the file ends early");
    }
    position_ = position;
  }
  [[noreturn]] void fail(const std::string& problem) const {
    fail_decoding(file_, format_, problem);
  }
  void check(bool condition, const char* problem) const {
    if (!condition) {
      fail(problem);
    }
  }

 private:
  const EncodedImage& file_;
  const char* format_;
  size_t position_ = 0;
};

}  // namespace mld
