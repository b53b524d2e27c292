// BMP: uncompressed, 1 to 32 bits a pixel, every header from OS/2's on.
//
// Note [No stb_image]. The small formats are read here and not by stb_image: its version 2.27 takes
// a BMP, PNM or GIF cut to a third without complaint and leaves the rest black.
#include <array>
#include <bit>

#include "data/image_formats.h"

namespace mld {
namespace {

using Colour = std::array<uint8_t, 3>;

struct BmpHeader {
  size_t pixels = 0;  // where they start
  size_t header_end = 0;
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, compression = 0, colours = 0;
  uint32_t palette_entry = 4;  // bytes
  std::array<uint32_t, 3> masks{};
};

BmpHeader read_header(ByteReader& in) {
  BmpHeader h;
  in.seek(10);
  h.pixels = in.u32();
  const uint32_t size = in.u32();
  uint32_t planes = 0;
  if (size == 12) {  // OS/2 1
    h.width = in.u16();
    h.height = in.u16();
    planes = in.u16();
    h.bits = in.u16();
    h.palette_entry = 3;
  } else {
    in.check(size == 40 || size == 52 || size == 56 || size == 64 || size == 108 || size == 124,
             "unknown header size");
    h.width = static_cast<int32_t>(in.u32());
    h.height = static_cast<int32_t>(in.u32());
    planes = in.u16();
    h.bits = in.u16();
    h.compression = in.u32();
    in.seek(46);
    h.colours = in.u32();
    h.top_down = h.height < 0;
    h.height = h.top_down ? -h.height : h.height;
  }
  in.check(planes == 1, "a number of planes other than 1");
  in.check(h.bits == 1 || h.bits == 4 || h.bits == 8 || h.bits == 16 || h.bits == 24 ||
               h.bits == 32,
           "bits per pixel must be 1, 4, 8, 16, 24 or 32");
  const bool masks = h.compression == 3 && (h.bits == 16 || h.bits == 32);
  in.check(h.compression == 0 || masks, "compressed pixels are not supported; save it as PNG");
  h.masks = h.bits == 16 ? std::array<uint32_t, 3>{0x7C00, 0x3E0, 0x1F}
                         : std::array<uint32_t, 3>{0xFF0000, 0xFF00, 0xFF};
  h.header_end = 14 + size_t{size};
  if (masks) {  // behind a 40-byte header, inside a longer one: the same place
    in.seek(54);
    for (uint32_t& mask : h.masks) {
      mask = in.u32();
    }
  }
  return h;
}

std::vector<Colour> read_palette(ByteReader& in, const BmpHeader& h) {
  const uint32_t most = 1u << h.bits;
  in.check(h.colours <= most, "more colours than the bits per pixel can name");
  std::vector<Colour> palette(h.colours != 0 ? h.colours : most);
  in.seek(h.header_end);
  for (Colour& colour : palette) {
    const auto entry = in.take(h.palette_entry);
    colour = {entry[2], entry[1], entry[0]};
  }
  return palette;
}

// One channel of a masked pixel scaled to 8 bits, truncated as Pillow does.
struct Channel {
  uint32_t mask;
  int shift;
  uint32_t most;

  Channel(const ByteReader& in, uint32_t mask_)
      : mask(mask_), shift(mask_ != 0 ? std::countr_zero(mask_) : 0), most(mask_ >> shift) {
    in.check(mask != 0 && (most & (most + 1)) == 0, "a colour mask is empty or has a gap");
  }
  uint8_t operator()(uint32_t pixel) const {
    return static_cast<uint8_t>(uint64_t{(pixel & mask) >> shift} * 255 / most);
  }
};

void unpack_masked(const ByteReader& in, std::span<const uint8_t> row, const BmpHeader& h,
                   uint8_t* to) {
  const Channel channels[3] = {{in, h.masks[0]}, {in, h.masks[1]}, {in, h.masks[2]}};
  const size_t bytes = h.bits / 8;
  for (size_t x = 0; x < static_cast<size_t>(h.width); ++x) {
    uint32_t pixel = 0;
    for (size_t b = 0; b < bytes; ++b) {
      pixel |= uint32_t{row[x * bytes + b]} << (8 * b);
    }
    for (const Channel& channel : channels) {
      *to++ = channel(pixel);
    }
  }
}

void unpack_indices(const ByteReader& in, std::span<const uint8_t> row, const BmpHeader& h,
                    std::span<const Colour> palette, uint8_t* to) {
  const size_t per_byte = 8 / h.bits;
  for (size_t x = 0; x < static_cast<size_t>(h.width); ++x) {
    const size_t shift = 8 - h.bits * (x % per_byte + 1);
    const size_t index = (row[x / per_byte] >> shift) & ((1u << h.bits) - 1);
    in.check(index < palette.size(), "a pixel has a colour beyond the palette");
    for (const uint8_t value : palette[index]) {
      *to++ = value;
    }
  }
}

}  // namespace

Image decode_bmp(const EncodedImage& file) {
  ByteReader in(file, "BMP");
  const BmpHeader h = read_header(in);
  check_image_size(file, "BMP", h.width, h.height);
  const std::vector<Colour> palette =
      h.bits <= 8 ? read_palette(in, h) : std::vector<Colour>{};
  const size_t stride = (static_cast<size_t>(h.width) * h.bits + 31) / 32 * 4;
  in.seek(h.pixels);
  const std::span<const uint8_t> pixels = in.take(stride * static_cast<size_t>(h.height));
  Image image(static_cast<int>(h.width), static_cast<int>(h.height));
  for (int y = 0; y < image.height; ++y) {
    const auto row = pixels.subspan(static_cast<size_t>(y) * stride, stride);
    uint8_t* to = image.pixel(0, h.top_down ? y : image.height - 1 - y);
    if (h.bits <= 8) {
      unpack_indices(in, row, h, palette, to);
    } else {
      unpack_masked(in, row, h, to);
    }
  }
  return image;
}

}  // namespace mld
