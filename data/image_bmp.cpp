// BMP: uncompressed, 1 to 32 bits a pixel, every header since OS/2's. Reads the header and the
// palette and scales narrow channels; stb_image reads the pixels:
// Note [How far stb_image is trusted].
#include <bit>

#include "data/image_stb.h"

namespace mld {
namespace {

constexpr const char* kFormat = "BMP";

struct BmpHeader {
  size_t pixels = 0;  // their offset
  size_t header_end = 0;
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, colours = 0;
  size_t palette_entry = 4;          // bytes
  uint32_t masks[3] = {0, 0, 0};     // red, green, blue of 16 or 32 bits
};

void read_masks(const HeaderFields& in, bool given, BmpHeader& h) {
  constexpr uint32_t k555[] = {0x7C00, 0x3E0, 0x1F}, k888[] = {0xFF0000, 0xFF00, 0xFF};
  for (size_t c = 0; c < 3; ++c) {
    // After a header of 40 bytes or inside a longer one: the offset is the same.
    const uint32_t mask = given ? in.u32(54 + 4 * c) : (h.bits == 16 ? k555 : k888)[c];
    const uint32_t largest = mask != 0 ? mask >> std::countr_zero(mask) : 0;
    in.check(mask != 0 && (largest & (largest + 1)) == 0, "a colour mask is empty or has a gap");
    in.check(largest <= 255, "more than 8 bits a colour are not supported; save it as PNG");
    h.masks[c] = mask;
  }
}

BmpHeader read_header(const HeaderFields& in) {
  BmpHeader h;
  h.pixels = in.u32(10);
  const uint32_t size = in.u32(14);
  const bool os2 = size == 12;
  uint32_t compression = 0;
  h.header_end = 14 + size_t{size};
  if (os2) {
    h.width = in.u16(18);
    h.height = in.u16(20);
    h.palette_entry = 3;
  } else {
    in.check(size == 40 || size == 52 || size == 56 || size == 64 || size == 108 || size == 124,
             "unknown header size");
    h.width = static_cast<int32_t>(in.u32(18));
    h.height = static_cast<int32_t>(in.u32(22));
    h.top_down = h.height < 0;
    h.height = h.top_down ? -h.height : h.height;
    compression = in.u32(30);
    h.colours = in.u32(46);
  }
  in.check(in.u16(os2 ? 22 : 26) == 1, "a number of planes other than 1");
  h.bits = in.u16(os2 ? 24 : 28);
  in.check(h.bits == 1 || h.bits == 4 || h.bits == 8 || h.bits == 16 || h.bits == 24 ||
               h.bits == 32,
           "bits per pixel must be 1, 4, 8, 16, 24 or 32");
  const bool masks = h.bits == 16 || h.bits == 32;
  in.check(compression == 0 || (compression == 3 && masks),
           "compressed pixels are not supported; save it as PNG");
  if (masks) {
    read_masks(in, compression == 3, h);
  }
  return h;
}

std::vector<Rgba> read_palette(const HeaderFields& in, const BmpHeader& h) {
  in.check(h.colours <= 1u << h.bits, "more colours than the bits per pixel can name");
  std::vector<Rgba> palette(h.colours != 0 ? h.colours : 1u << h.bits);
  for (size_t i = 0; i < palette.size(); ++i) {
    const auto entry = in.bytes(h.header_end + i * h.palette_entry, h.palette_entry);
    palette[i] = {entry[2], entry[1], entry[0], 255};
  }
  return palette;
}

// The header given to stb_image: 40 bytes, then masks or a palette that maps each index to itself.
std::vector<uint8_t> plain_header(const BmpHeader& h) {
  std::vector<uint8_t> head = {'B', 'M'};
  const auto put = [&](uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
      head.push_back(static_cast<uint8_t>(value >> shift));
    }
  };
  const bool masks = h.bits == 16 || h.bits == 32;
  const uint32_t indices = h.bits <= 8 ? 1u << h.bits : 0;
  put(0);  // the file's size, which stb_image ignores
  put(0);
  put(54 + (masks ? 12 : 4 * indices));
  put(40);
  put(static_cast<uint32_t>(h.width));
  put(static_cast<uint32_t>(h.top_down ? -h.height : h.height));
  put(1 | h.bits << 16);
  put(masks ? 3 : 0);
  head.resize(54);
  for (size_t c = 0; masks && c < 3; ++c) {
    put(h.masks[c]);
  }
  for (uint32_t i = 0; i < indices; ++i) {
    put(i * 0x10101);
  }
  return head;
}

// stb_image repeats the bits of a narrow channel to fill a byte; Pillow scales it and truncates.
void scale_channels(const BmpHeader& h, Image& image) {
  for (size_t c = 0; c < 3; ++c) {
    const int bits = std::popcount(h.masks[c]), largest = (1 << bits) - 1;
    for (size_t i = c; bits < 8 && i < image.rgb.size(); i += 3) {
      image.rgb[i] = static_cast<uint8_t>((image.rgb[i] >> (8 - bits)) * 255 / largest);
    }
  }
}

}  // namespace

Image decode_bmp(const EncodedImage& file) {
  const HeaderFields in(file, kFormat);
  const BmpHeader h = read_header(in);
  check_image_size(file, kFormat, h.width, h.height);
  const bool indexed = h.bits <= 8;
  const std::vector<Rgba> palette = indexed ? read_palette(in, h) : std::vector<Rgba>{};
  const size_t stride = (static_cast<size_t>(h.width) * h.bits + 31) / 32 * 4;
  Image image = decode_stb(file, kFormat, plain_header(h),
                           in.bytes(h.pixels, stride * static_cast<size_t>(h.height)),
                           indexed ? 1 : 3);
  if (indexed) {
    apply_palette(file, kFormat, palette, image);
  } else if (h.bits != 24) {
    scale_channels(h, image);
  }
  return image;
}

}  // namespace mld
