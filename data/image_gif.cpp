// GIF: the first picture of the file, as Pillow shows it.
#include <algorithm>
#include <array>

#include "data/image_formats.h"

namespace mld {
namespace {

// Codes of 1 to 12 bits, least significant bit first, out of the picture's chain of sub-blocks.
class CodeReader {
 public:
  explicit CodeReader(ByteReader& in) : in_(in) {}

  uint32_t next(int bits) {
    while (have_ < bits) {
      if (block_.empty()) {
        block_ = in_.take(in_.u8());
        in_.check(!block_.empty(), "the pixels end early");
      }
      buffer_ |= uint32_t{block_[0]} << have_;
      block_ = block_.subspan(1);
      have_ += 8;
    }
    const uint32_t code = buffer_ & ((1u << bits) - 1);
    buffer_ >>= bits;
    have_ -= bits;
    return code;
  }

 private:
  ByteReader& in_;
  std::span<const uint8_t> block_;
  uint32_t buffer_ = 0;
  int have_ = 0;
};

// LZW with a growing table of at most 4096 strings, each its parent's string and one more pixel.
class LzwDecoder {
 public:
  LzwDecoder(ByteReader& in, int root_bits)
      : in_(in), codes_(in), root_bits_(root_bits), clear_(1u << root_bits) {
    for (uint32_t i = 0; i < clear_; ++i) {
      first_[i] = last_[i] = static_cast<uint8_t>(i);
      length_[i] = 1;
    }
    reset();
  }

  // Fills `pixels` with colour indices.
  void read(std::span<uint8_t> pixels) {
    size_t done = 0;
    uint32_t previous = kNone;
    while (done < pixels.size()) {
      const uint32_t code = codes_.next(bits_);
      if (code == clear_) {
        reset();
        previous = kNone;
        continue;
      }
      in_.check(code != clear_ + 1, "the pixels end early");
      // A code not yet in the table can only be the string being completed by this very code.
      const bool known = code < clear_ || (code > clear_ && code < next_);
      in_.check(known || (previous != kNone && code == next_ && next_ < kMost),
                "a code is out of range");
      if (previous != kNone && next_ < kMost) {
        add(previous, first_[known ? code : previous]);
      }
      done += write(code, pixels.subspan(done));
      previous = code;
    }
  }

 private:
  static constexpr uint32_t kMost = 4096, kNone = kMost;

  void reset() {
    bits_ = root_bits_ + 1;
    next_ = clear_ + 2;
  }
  void add(uint32_t parent, uint8_t pixel) {
    parent_[next_] = static_cast<uint16_t>(parent);
    first_[next_] = first_[parent];
    last_[next_] = pixel;
    length_[next_] = static_cast<uint16_t>(length_[parent] + 1);
    ++next_;
    if (next_ == 1u << bits_ && bits_ < 12) {
      ++bits_;
    }
  }
  // Writes the code's string, from its end backwards; what does not fit is dropped.
  size_t write(uint32_t code, std::span<uint8_t> to) const {
    const size_t length = length_[code];
    for (size_t i = length; i-- > 0; code = parent_[code]) {
      if (i < to.size()) {
        to[i] = last_[code];
      }
    }
    return std::min(length, to.size());
  }

  ByteReader& in_;
  CodeReader codes_;
  int root_bits_, bits_ = 0;
  uint32_t clear_, next_ = 0;
  std::array<uint16_t, kMost> parent_{}, length_{};
  std::array<uint8_t, kMost> first_{}, last_{};
};

// Colour triples; empty where the flags promise none.
std::span<const uint8_t> read_palette(ByteReader& in, uint8_t flags) {
  return (flags & 0x80) != 0 ? in.take(size_t{3} << ((flags & 7) + 1))
                             : std::span<const uint8_t>{};
}

// Skips to the first picture; returns the transparent colour's index, 0 if none is declared.
uint8_t skip_to_picture(ByteReader& in) {
  uint8_t transparent = 0;
  for (uint8_t block = in.u8(); block != 0x2C; block = in.u8()) {
    in.check(block == 0x21, block == 0x3B ? "there is no picture in the file" : "unknown block");
    const bool graphic_control = in.u8() == 0xF9;
    for (auto part = in.take(in.u8()); !part.empty(); part = in.take(in.u8())) {
      if (graphic_control && part.size() >= 4) {
        transparent = (part[0] & 1) != 0 ? part[3] : uint8_t{0};
      }
    }
  }
  return transparent;
}

// The order in which an interlaced picture's rows are stored: four passes.
std::vector<int> row_order(int height, bool interlaced) {
  std::vector<int> rows;
  const auto pass = [&](int first, int step) {
    for (int y = first; y < height; y += step) {
      rows.push_back(y);
    }
  };
  if (interlaced) {
    pass(0, 8);
    pass(4, 8);
    pass(2, 4);
    pass(1, 2);
  } else {
    pass(0, 1);
  }
  return rows;
}

}  // namespace

Image decode_gif(const EncodedImage& file) {
  ByteReader in(file, "GIF");
  in.seek(6);
  const int screen_width = static_cast<int>(in.u16()), screen_height = static_cast<int>(in.u16());
  const uint8_t screen_flags = in.u8();
  in.take(2);  // background, aspect
  std::span<const uint8_t> palette = read_palette(in, screen_flags);
  const uint8_t transparent = skip_to_picture(in);
  const int x0 = static_cast<int>(in.u16()), y0 = static_cast<int>(in.u16());
  const int width = static_cast<int>(in.u16()), height = static_cast<int>(in.u16());
  const uint8_t flags = in.u8();
  if ((flags & 0x80) != 0) {
    palette = read_palette(in, flags);
  }
  check_image_size(file, "GIF", width, height);
  // A picture that sticks out of the screen enlarges it.
  Image image;
  image.width = std::max(screen_width, x0 + width);
  image.height = std::max(screen_height, y0 + height);
  check_image_size(file, "GIF", image.width, image.height);
  const int root_bits = in.u8();
  in.check(root_bits >= 1 && root_bits <= 8, "the code size must be from 1 to 8 bits");
  std::vector<uint8_t> pixels(static_cast<size_t>(width) * static_cast<size_t>(height));
  LzwDecoder(in, root_bits).read(pixels);

  // Around the picture Pillow shows the transparent colour, else colour 0. Without any palette an
  // index is a grey value.
  const auto colour = [&](uint8_t index, uint8_t* to) {
    if (palette.empty()) {
      std::fill_n(to, 3, index);
      return;
    }
    in.check(size_t{index} * 3 < palette.size(), "a pixel has a colour beyond the palette");
    std::copy_n(palette.data() + size_t{index} * 3, 3, to);
  };
  image = Image(image.width, image.height);
  if (width < image.width || height < image.height) {
    uint8_t around[3];
    colour(transparent, around);
    for (size_t i = 0; i < image.rgb.size(); ++i) {
      image.rgb[i] = around[i % 3];
    }
  }
  const uint8_t* from = pixels.data();
  for (const int y : row_order(height, (flags & 0x40) != 0)) {
    uint8_t* to = image.pixel(x0, y0 + y);
    for (int x = 0; x < width; ++x, to += 3) {
      colour(*from++, to);
    }
  }
  return image;
}

}  // namespace mld
