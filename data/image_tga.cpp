// TGA: grey, colour and palette, plain or run-length coded. Reads the header and the palette;
// stb_image reads the pixels: Note [How far stb_image is trusted].
#include "data/image_ops.h"
#include "data/image_stb.h"

namespace mld {
namespace {

constexpr const char* kFormat = "TGA";
constexpr size_t kHeader = 18;

// Offsets in the header; fields have one byte, except the palette's and the sides.
enum Field : size_t {
  kIdLength = 0, kHasPalette = 1, kType = 2, kPaletteStart = 3, kPaletteLength = 5,
  kPaletteBits = 7, kWidth = 12, kHeight = 14, kBits = 16, kFlags = 17,
};
constexpr uint32_t kIndexed = 1, kGrey = 3, kRunLengths = 8;  // types
constexpr uint32_t kFromRight = 0x10;                         // a flag

size_t palette_bytes(const HeaderFields& in) {
  return in.u8(kHasPalette) == 1 ? size_t{in.u16(kPaletteLength)} * ((in.u8(kPaletteBits) + 7) / 8)
                                 : 0;
}

std::vector<Rgba> read_palette(const HeaderFields& in) {
  const size_t bits = in.u8(kPaletteBits), bytes = (bits + 7) / 8;
  in.check(bits == 15 || bits == 16 || bits == 24 || bits == 32,
           "palette colours of other than 15, 16, 24 or 32 bits");
  in.check(in.u16(kPaletteStart) == 0, "a palette that does not begin with colour 0");
  std::vector<Rgba> palette(in.u16(kPaletteLength));
  for (size_t i = 0; i < palette.size(); ++i) {
    const size_t at = kHeader + in.u8(kIdLength) + i * bytes;
    const auto entry = in.bytes(at, bytes);
    const auto five_bits = [&](int shift) {
      return static_cast<uint8_t>((in.u16(at) >> shift & 31) * 255 / 31);
    };
    const uint8_t alpha = bytes == 4 ? entry[3] : 255;
    palette[i] = bytes == 2 ? Rgba{five_bits(10), five_bits(5), five_bits(0), 255}
                            : Rgba{entry[2], entry[1], entry[0], alpha};
  }
  return palette;
}

bool has_alpha(const HeaderFields& in) {
  const uint32_t type = in.u8(kType) & ~kRunLengths;
  return type == kIndexed ? in.u8(kPaletteBits) == 32
                          : in.u8(kBits) == (type == kGrey ? 16u : 32u);
}

}  // namespace

bool looks_like_tga(std::span<const uint8_t> b) {
  if (b.size() < kHeader) {
    return false;
  }
  const uint32_t type = b[kType] & ~kRunLengths, bits = b[kBits];
  const bool width = b[kWidth] != 0 || b[kWidth + 1] != 0;
  const bool height = b[kHeight] != 0 || b[kHeight + 1] != 0;
  const bool known = (b[kHasPalette] == 1 && type == kIndexed && bits == 8) ||
                     (b[kHasPalette] == 0 && type == 2 &&
                      (bits == 15 || bits == 16 || bits == 24 || bits == 32)) ||
                     (b[kHasPalette] == 0 && type == kGrey && (bits == 8 || bits == 16));
  return known && width && height && (b[kFlags] & 0xC0) == 0;
}

Image decode_tga(const EncodedImage& file) {
  const HeaderFields in(file, kFormat);
  check_image_size(file, kFormat, in.u16(kWidth), in.u16(kHeight));
  const bool indexed = (in.u8(kType) & ~kRunLengths) == kIndexed;
  const std::vector<Rgba> palette = indexed ? read_palette(in) : std::vector<Rgba>{};
  // stb_image gets neither the text nor the palette, and takes indices for grey values.
  const auto stored = in.bytes(0, kHeader);
  std::vector<uint8_t> head(stored.begin(), stored.end());
  head[kIdLength] = head[kHasPalette] = 0;
  if (indexed) {
    head[kType] = static_cast<uint8_t>(kGrey | (head[kType] & kRunLengths));
  }
  const size_t at = kHeader + in.u8(kIdLength) + palette_bytes(in);
  in.check(at < file.bytes.size(), "the file ends early");
  const bool alpha = has_alpha(in);
  Image image = decode_stb(file, kFormat, head, file.bytes.subspan(at),
                           indexed ? 1 : alpha && file.options.background ? 4 : 3);
  if (indexed) {
    apply_palette(file, kFormat, palette, image);
  }
  if ((in.u8(kFlags) & kFromRight) != 0) {
    image = horizontal_flip(std::move(image));
  }
  image.facts.transparent = alpha;
  return image;
}

}  // namespace mld
