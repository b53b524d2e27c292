// PNG through libpng: every colour type, depth and interlacing.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include <png.h>

#include "data/exif.h"
#include "data/image_formats.h"

namespace mld {
namespace {

constexpr const char* kFormat = "PNG";

// See Note [C libraries that jump] in data/image_jpeg.cpp.
class PngDecoder {
 public:
  PngDecoder(std::span<const uint8_t> bytes, bool keep_alpha)
      : left_(bytes), keep_alpha_(keep_alpha) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  const char* error() const { return text_; }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }
  bool has_palette() const { return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE; }
  size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  size_t channels() const { return png_get_channels(png_, info_); }  // after set_transforms()
  bool transparent() const { return transparent_; }
  // Valid after read_header().
  std::vector<Rgba> palette() const {
    png_colorp colours = nullptr;
    png_bytep alpha = nullptr;
    int count = 0, alphas = 0;
    png_get_PLTE(png_, info_, &colours, &count);
    png_get_tRNS(png_, info_, &alpha, &alphas, nullptr);
    std::vector<Rgba> palette;
    for (int i = 0; i < count; ++i) {
      palette.push_back({colours[i].red, colours[i].green, colours[i].blue,
                         i < alphas ? alpha[i] : uint8_t{255}});
    }
    return palette;
  }
  PictureFacts facts() const {
    PictureFacts facts;
    facts.transparent = transparent_;
    if (harmless_[0] != 0) {
      facts.damage = fmt::format("PNG: {}", harmless_);
    }
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) != 0) {
      facts.orientation = exif_orientation({exif, size});
    }
    return facts;
  }

  // Each phase returns false on an error; error() then has its text.
  bool read_header() {
    if (setjmp(jump_) != 0) {
      return false;
    }
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) {
      std::snprintf(text_, sizeof text_, "out of memory");
      return false;
    }
    // Other metadata does not affect the pixels: only its CRC is checked, so that a strange colour
    // profile causes no warning. Our own limits are checked after the header.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    constexpr png_byte kExif[] = {'e', 'X', 'I', 'f', 0};
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_AS_DEFAULT, kExif, 1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
    return true;
  }

  // Asks for 8 bits a channel: RGB, RGBA where there is alpha to keep, or one palette index.
  bool set_transforms() {
    if (setjmp(jump_) != 0) {
      return false;
    }
    const int color = png_get_color_type(png_, info_), depth = png_get_bit_depth(png_, info_);
    const bool colour_key = png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    transparent_ = (color & PNG_COLOR_MASK_ALPHA) != 0 || colour_key;
    if (color == PNG_COLOR_TYPE_PALETTE) {
      png_set_packing(png_);
    } else {
      if (keep_alpha_ && colour_key) {
        png_set_tRNS_to_alpha(png_);
      }
      if (depth == 16) {
        png_set_strip_16(png_);  // the high byte
      } else if (depth < 8) {
        png_set_expand_gray_1_2_4_to_8(png_);
      }
      if (!keep_alpha_ && (color & PNG_COLOR_MASK_ALPHA) != 0) {
        png_set_strip_alpha(png_);
      }
      if ((color & PNG_COLOR_MASK_COLOR) == 0) {
        png_set_gray_to_rgb(png_);
      }
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  // rows: one pointer per row, row_bytes() each
  bool read_pixels(png_bytepp rows) {
    if (setjmp(jump_) != 0) {
      return false;
    }
    png_read_image(png_, rows);
    return true;
  }

  // Reads what follows the rows: the checksum of the pixels, then chunks that do not affect them.
  bool read_end() {
    if (setjmp(jump_) != 0) {
      constexpr png_uint_32 kPixels = 0x49444154;  // "IDAT"
      const bool harmless = png_get_io_chunk_type(png_) != kPixels ||
                            (png_get_io_state(png_) & PNG_IO_MASK_LOC) == PNG_IO_CHUNK_HDR;
      if (harmless) {
        note(text_);
      }
      return harmless;
    }
    png_read_end(png_, info_);
    return true;
  }

 private:
  [[noreturn]] void leave(const char* text) {
    std::snprintf(text_, sizeof text_, "%s", text);
    std::longjmp(jump_, 1);
  }
  void note(const char* text) {
    if (harmless_[0] == 0) {
      std::snprintf(harmless_, sizeof harmless_, "%s", text);
    }
  }
  static void on_error(png_structp png, png_const_charp text) {
    static_cast<PngDecoder*>(png_get_error_ptr(png))->leave(text);
  }
  // libpng warns about errors that it ignores. Two of them can mean wrong pixels: a bad checksum of
  // the uncompressed pixels and, where alpha matters, bad transparent colours.
  static void on_warning(png_structp png, png_const_charp text) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    const std::string_view warning = text;
    if (warning.find("incorrect data check") != warning.npos ||
        (self->keep_alpha_ && warning.starts_with("tRNS"))) {
      self->leave(text);
    }
    self->note(text);
  }
  static void on_read(png_structp png, png_bytep to, size_t size) {
    auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (size > self->left_.size()) {
      self->leave("the file ends early");
    }
    std::memcpy(to, self->left_.data(), size);
    self->left_ = self->left_.subspan(size);
  }

  std::span<const uint8_t> left_;
  bool keep_alpha_, transparent_ = false;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char text_[256] = {}, harmless_[256] = {};
};

}  // namespace

Image decode_png(const EncodedImage& file) {
  PngDecoder decoder(file.bytes, file.options.background.has_value());
  const auto check = [&](bool ok) {
    if (!ok) {
      fail_decoding(file, kFormat, decoder.error());
    }
  };
  check(decoder.read_header());
  check_image_size(file, kFormat, decoder.width(), decoder.height());
  check(decoder.set_transforms());
  Image image(static_cast<int>(decoder.width()), static_cast<int>(decoder.height()));
  const size_t channels = decoder.channels(), pixels = image.rgb.size() / 3;
  if (decoder.row_bytes() != static_cast<size_t>(image.width) * channels ||
      (channels != 3 && channels != 4 && !decoder.has_palette())) {
    fail_decoding(file, kFormat, "the row size is inconsistent");
  }
  std::vector<uint8_t> rgba(channels == 4 ? 4 * pixels : 0);
  uint8_t* first = channels == 4   ? rgba.data()
                   : channels == 1 ? palette_indices(image)
                                   : image.rgb.data();
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (size_t y = 0; y < rows.size(); ++y) {
    rows[y] = first + y * decoder.row_bytes();
  }
  check(decoder.read_pixels(rows.data()));
  check(decoder.read_end());
  if (channels == 4) {
    flatten(file, rgba.data(), pixels, image.rgb.data());
  } else if (channels == 1) {
    apply_palette(file, kFormat, decoder.palette(), image);
  }
  image.facts = decoder.facts();
  return image;
}

}  // namespace mld
