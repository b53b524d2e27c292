// PNG through libpng: every colour type, depth and interlacing; transparency and metadata dropped.
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <png.h>

#include "data/image_formats.h"

namespace mld {
namespace {

// See Note [C libraries that jump] in data/image_jpeg.cpp.
class PngDecoder {
 public:
  explicit PngDecoder(std::span<const uint8_t> bytes) : left_(bytes) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  const char* error() const { return text_; }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t height() const { return png_get_image_height(png_, info_); }
  bool has_palette() const { return png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE; }
  size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  // Valid after read_header().
  std::vector<Rgb> palette() const {
    png_colorp colours = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &colours, &count);
    std::vector<Rgb> palette;
    for (int i = 0; i < count; ++i) {
      palette.push_back({colours[i].red, colours[i].green, colours[i].blue});
    }
    return palette;
  }

  // Each phase returns false on an error or a warning; error() then tells which.
  bool read_header() {
    if (setjmp(jump_) != 0) {
      return false;
    }
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_error);
    info_ = png_ != nullptr ? png_create_info_struct(png_) : nullptr;
    if (info_ == nullptr) {
      std::snprintf(text_, sizeof text_, "out of memory");
      return false;
    }
    // Metadata has no say in the pixels: it is checked by its CRC and skipped, so that a strange
    // colour profile is no warning. Our own limits follow the header.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_read_fn(png_, this, on_read);
    png_read_info(png_, info_);
    return true;
  }

  // Asks for 8-bit RGB, or for one palette index a byte.
  bool set_transforms() {
    if (setjmp(jump_) != 0) {
      return false;
    }
    const int color = png_get_color_type(png_, info_), depth = png_get_bit_depth(png_, info_);
    if (color == PNG_COLOR_TYPE_PALETTE) {
      png_set_packing(png_);
    } else {
      if (depth == 16) {
        png_set_strip_16(png_);  // the high byte
      } else if (depth < 8) {
        png_set_expand_gray_1_2_4_to_8(png_);
      }
      if ((color & PNG_COLOR_MASK_ALPHA) != 0) {
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
    png_read_end(png_, nullptr);
    return true;
  }

 private:
  [[noreturn]] void leave(const char* text) {
    std::snprintf(text_, sizeof text_, "%s", text);
    std::longjmp(jump_, 1);
  }
  static void on_error(png_structp png, png_const_charp text) {
    static_cast<PngDecoder*>(png_get_error_ptr(png))->leave(text);
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
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char text_[256] = {};
};

}  // namespace

Image decode_png(const EncodedImage& file) {
  PngDecoder decoder(file.bytes);
  const auto check = [&](bool ok) {
    if (!ok) {
      fail_decoding(file, "PNG", decoder.error());
    }
  };
  check(decoder.read_header());
  check_image_size(file, "PNG", decoder.width(), decoder.height());
  check(decoder.set_transforms());
  Image image(static_cast<int>(decoder.width()), static_cast<int>(decoder.height()));
  const size_t samples = decoder.has_palette() ? 1 : 3;
  if (decoder.row_bytes() != static_cast<size_t>(image.width) * samples) {
    fail_decoding(file, "PNG", "the row size is inconsistent");
  }
  std::vector<png_bytep> rows(static_cast<size_t>(image.height));
  for (size_t y = 0; y < rows.size(); ++y) {
    rows[y] = (samples == 1 ? palette_indices(image) : image.rgb.data()) + y * decoder.row_bytes();
  }
  check(decoder.read_pixels(rows.data()));
  if (decoder.has_palette()) {
    apply_palette(file, "PNG", decoder.palette(), image);
  }
  return image;
}

}  // namespace mld
