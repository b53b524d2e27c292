// One decoder per picture format, behind decode_image() of data/image.h. Internal to data/image_*.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "data/image.h"

namespace mld {

// The input of every decoder: the whole file, the name for messages, the options.
struct EncodedImage {
  std::span<const uint8_t> bytes;
  std::string name;
  DecodeOptions options;
};

// Each decodes one format to RGB. Errors: DataError as decode_image().
Image decode_jpeg(const EncodedImage& file);
Image decode_png(const EncodedImage& file);
Image decode_gif(const EncodedImage& file);
Image decode_bmp(const EncodedImage& file);
Image decode_tga(const EncodedImage& file);
Image decode_pnm(const EncodedImage& file);
Image decode_webp(const EncodedImage& file);
Image decode_tiff(const EncodedImage& file);

// TGA has no magic number: whether the header's fields make sense together.
bool looks_like_tga(std::span<const uint8_t> bytes);

// Throws DataError "<name>: <format>: <problem>".
[[noreturn]] void fail_decoding(const EncodedImage& file, const char* format,
                                const std::string& problem);

// Refuses an empty picture and one beyond the limits, before memory is allocated for pixels.
void check_image_size(const EncodedImage& file, const char* format, int64_t width, int64_t height);

struct Rgba {
  uint8_t red = 0, green = 0, blue = 0, alpha = 255;
};

// Replaces the colour indices in the last third of image.rgb, one byte a pixel, by their colours.
// Errors: DataError for an index beyond the palette.
void apply_palette(const EncodedImage& file, const char* format, std::span<const Rgba> palette,
                   Image& image);
inline uint8_t* palette_indices(Image& image) { return &image.rgb[image.rgb.size() / 3 * 2]; }

// Converts `count` RGBA pixels to RGB: blended over options.background, or with alpha dropped.
void flatten(const EncodedImage& file, const uint8_t* rgba, size_t count, uint8_t* rgb);

// Reads header fields: little-endian, at offsets from the file's start. Reading past the end is an
// error.
class HeaderFields {
 public:
  HeaderFields(const EncodedImage& file, const char* format) : file_(file), format_(format) {}

  uint32_t u8(size_t at) const { return bytes(at, 1)[0]; }
  uint32_t u16(size_t at) const { return u8(at) | u8(at + 1) << 8; }
  uint32_t u32(size_t at) const { return u16(at) | u16(at + 2) << 16; }
  std::span<const uint8_t> bytes(size_t at, size_t count) const {
    check(at <= file_.bytes.size() && count <= file_.bytes.size() - at, "the file ends early");
    return file_.bytes.subspan(at, count);
  }
  void check(bool condition, const char* problem) const {
    if (!condition) {
      fail_decoding(file_, format_, problem);
    }
  }

 private:
  const EncodedImage& file_;
  const char* format_;
};

}  // namespace mld
