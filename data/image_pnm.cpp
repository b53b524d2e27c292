// PNM: bitmaps, greymaps and pixmaps (P1 to P6), text and binary, any maximum up to 65535.
//
// We read these ourselves: stb_image 2.27 knows only P5 and P6, ignores their maximum and swaps the
// bytes of 16-bit samples. A build without picture libraries has only this (data/no_pictures.cpp).
#include <cmath>

#include "data/image_formats.h"

namespace mld {
namespace {

bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

class PnmReader {
 public:
  explicit PnmReader(const EncodedImage& file) : file_(file) {
    kind_ = file.bytes[1] - '0';
    at_ = 2;
    check(is_space(u8()), "white space must follow the magic number");
    width_ = number();
    height_ = number();
    check_image_size(file, "PNM", width_, height_);
    most_ = bitmap() ? 1 : number();
    check(most_ >= 1 && most_ <= 65535, "the maximum must be from 1 to 65535");
  }

  Image read() {
    const int64_t channels = kind_ % 3 == 0 ? 3 : 1;
    require_bytes(channels);
    Image image(width_, height_);
    for (int y = 0; y < height_; ++y) {
      uint8_t* to = image.pixel(0, y);
      for (int x = 0; x < width_; ++x, to += 3) {
        to[0] = sample(x);
        to[1] = channels == 3 ? sample(x) : to[0];
        to[2] = channels == 3 ? sample(x) : to[0];
      }
    }
    return image;
  }

 private:
  static constexpr const char* kEndsEarly = "the file ends early";

  void check(bool condition, const char* problem) const {
    if (!condition) {
      fail_decoding(file_, "PNM", problem);
    }
  }
  bool at_end() const { return at_ == file_.bytes.size(); }
  uint8_t u8() {
    check(!at_end(), kEndsEarly);
    return file_.bytes[at_++];
  }
  bool bitmap() const { return kind_ == 1 || kind_ == 4; }
  bool text() const { return kind_ <= 3; }

  // A binary picture's size is known, a text picture's has a lower bound: a file that is too short
  // is refused before memory is allocated for its pixels.
  void require_bytes(int64_t channels) const {
    const int64_t row = kind_ == 4 ? (int64_t{width_} + 7) / 8
                                   : width_ * channels * (!text() && most_ > 255 ? 2 : 1);
    check(static_cast<size_t>(row * height_) <= file_.bytes.size() - at_, kEndsEarly);
  }

  uint8_t after_comments() {
    uint8_t c = u8();
    while (c == '#') {
      while (c != '\n' && c != '\r') {
        c = u8();
      }
    }
    return c;
  }

  // Reads a decimal number, any white space before it and one white space character after it.
  int number() {
    uint8_t c = after_comments();
    while (is_space(c)) {
      c = after_comments();
    }
    int value = 0;
    do {
      check(c >= '0' && c <= '9', "expected a decimal number");
      value = value * 10 + (c - '0');
      check(value <= 1000000, "a number is too large");
      if (text() && at_end()) {  // the last sample of a text picture
        return value;
      }
      c = after_comments();
    } while (!is_space(c));
    return value;
  }

  uint8_t sample(int x) {
    if (kind_ == 4) {
      bits_ = x % 8 == 0 ? u8() : static_cast<uint8_t>(bits_ << 1);
      return (bits_ & 0x80) != 0 ? 0 : 255;  // one is black
    }
    if (kind_ == 1) {
      uint8_t c = after_comments();
      while (is_space(c)) {
        c = after_comments();
      }
      check(c == '0' || c == '1', "expected a bit");
      return c == '1' ? 0 : 255;
    }
    int value = 0;
    if (text()) {
      value = number();
    } else {
      value = u8();
      if (most_ > 255) {
        value = value << 8 | u8();  // big-endian
      }
    }
    check(value <= most_, "a sample is above the maximum");
    return most_ == 255 ? static_cast<uint8_t>(value)
                        : static_cast<uint8_t>(
                              std::nearbyint(static_cast<double>(value) / most_ * 255));
  }

  const EncodedImage& file_;
  size_t at_ = 0;
  int kind_ = 0, width_ = 0, height_ = 0, most_ = 0;
  uint8_t bits_ = 0;
};

}  // namespace

Image decode_pnm(const EncodedImage& file) { return PnmReader(file).read(); }

}  // namespace mld
