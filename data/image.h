// Pictures: decoding (untrusted bytes) and Pillow-exact resizing.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/words.h"

namespace mld {

// Facts about a decoded file besides its pixels.
struct PictureFacts {
  std::string damage;        // tolerated, as it affects no pixel; empty = none
  int orientation = 1;       // by EXIF, 1 = stored upright
  bool transparent = false;  // there is an alpha channel or a transparent colour
};

// An 8-bit RGB picture, row-major [height, width, 3].
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;
  PictureFacts facts;  // of a decoded file; pictures derived from it have none

  Image() = default;
  Image(int width_, int height_, uint8_t grey = 0)
      : width(width_), height(height_),
        rgb(static_cast<size_t>(width_) * static_cast<size_t>(height_) * 3, grey) {}
  uint8_t* pixel(int x, int y) {
    return &rgb[(static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) * 3];
  }
  const uint8_t* pixel(int x, int y) const { return const_cast<Image*>(this)->pixel(x, y); }
};

using Rgb = std::array<uint8_t, 3>;

// A rectangle of pixels [x, x + width) x [y, y + height).
struct CropBox {
  int x = 0, y = 0, width = 0, height = 0;
};

// A colour as text, "#rrggbb", and back; no colour is "". nullopt for any other text.
std::string colour_text(const std::optional<Rgb>& colour);
std::optional<std::optional<Rgb>> colour_of(std::string_view text);

// Limits of decoding; a picture beyond them is refused before memory is allocated.
struct ImageLimits {
  int64_t max_pixels = int64_t{64} << 20;      // 64 Mpixel
  int max_side = 65535;
  int64_t max_file_bytes = int64_t{256} << 20;  // 256 MiB
  int max_scans = 100;                          // progressive JPEG
};

struct DecodeOptions {
  ImageLimits limits{};
  bool turn = false;              // apply the EXIF orientation
  std::optional<Rgb> background{};  // the colour under transparent pixels; none: alpha dropped
};

// Decodes JPEG, PNG, GIF (its first picture), BMP, PNM, TGA, WebP or TIFF (its first page),
// recognised by content and not by name, to RGB as Pillow's convert("RGB") does: grey replicated,
// alpha dropped, CMYK by (255-C)(255-K)/255, 16 bits to the high byte, EXIF orientation ignored
// (but a TIFF's own orientation is applied). `name` appears in messages.
// Errors: DataError for an unknown format, truncated or damaged pixels, any decoder's warning that
// may be about pixels, or an exceeded limit. Never returns a partly decoded picture. Other damage
// (a missing end marker, a wrong checksum of a text chunk) is noted in the picture's facts.
Image decode_image(std::span<const uint8_t> bytes, const std::string& name,
                   const DecodeOptions& options = {});

// Reads a file and decodes it. Errors: DataError, also for a missing or unreadable file.
Image load_image(const std::filesystem::path& path, const DecodeOptions& options = {});

// The kind of a file, by its first bytes (32 suffice).
struct PictureKind {
  const char* format = nullptr;  // null: no picture, or a TGA, which has no magic number
  bool readable = false;         // by decode_image()
};
PictureKind picture_kind(std::span<const uint8_t> start);

enum class Interpolation { nearest, bilinear, bicubic };
constexpr std::array<std::string_view, 3> words_of(Interpolation) {
  return {"nearest", "bilinear", "bicubic"};
}

// Pillow 9.4's Image.resize, bit for bit: antialiased, two integer passes, horizontal first.
Image resize(const Image& image, int width, int height, Interpolation interpolation);

// The part `box` of resize(image, width, height, interpolation), which must lie inside; only this
// part is computed, so memory is needed for the box only.
Image resize(const Image& image, int width, int height, Interpolation interpolation,
             const CropBox& box);

}  // namespace mld
