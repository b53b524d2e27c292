// TIFF through libtiff: the first page, 1 to 16 bits a sample, as Pillow shows it: upright, alpha
// dropped, 16-bit samples reduced to the high byte.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include <tiffio.h>

#include "data/image_formats.h"
#include "data/image_ops.h"

namespace mld {
namespace {

constexpr const char* kFormat = "TIFF";

// The input of libtiff, and its first complaint.
struct Source {
  std::span<const uint8_t> bytes;
  size_t at = 0;
  bool pixels = false;  // warnings about pixels are errors; those about unknown tags are not
  std::string problem;
};

Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t read(thandle_t handle, void* to, tmsize_t size) {
  Source& source = source_of(handle);
  const size_t left = source.bytes.size() - std::min(source.at, source.bytes.size());
  const size_t got = std::min(static_cast<size_t>(std::max<tmsize_t>(size, 0)), left);
  if (got > 0) {
    std::memcpy(to, source.bytes.data() + source.at, got);
  }
  source.at += got;
  return static_cast<tmsize_t>(got);
}
tmsize_t write(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Source& source = source_of(handle);
  const size_t from = whence == SEEK_CUR ? source.at : whence == SEEK_END ? source.bytes.size() : 0;
  source.at = from + static_cast<size_t>(offset);
  return source.at;
}
int close(thandle_t) { return 0; }
toff_t size(thandle_t handle) { return source_of(handle).bytes.size(); }

// libtiff reads the bytes in place. (Through read(), version 4.5.0 refuses uncompressed tiles whose
// size is not a multiple of 1024.)
int map(thandle_t handle, void** begin, toff_t* count) {
  const std::span<const uint8_t> bytes = source_of(handle).bytes;
  *begin = const_cast<uint8_t*>(bytes.data());
  *count = bytes.size();
  return 1;
}
void unmap(thandle_t, void*, toff_t) {}

void note(Source& source, const char* text, va_list values) {
  if (source.problem.empty()) {
    char line[200];
    std::vsnprintf(line, sizeof line, text, values);
    source.problem = line;
  }
}
int on_error(TIFF*, void* user, const char*, const char* text, va_list values) {
  note(*static_cast<Source*>(user), text, values);
  return 1;  // handled: libtiff's own handler stays quiet
}
int on_warning(TIFF*, void* user, const char*, const char* text, va_list values) {
  if (static_cast<Source*>(user)->pixels) {
    note(*static_cast<Source*>(user), text, values);
  }
  return 1;
}

struct CloseTiff {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

Tiff open(const EncodedImage& file, Source& source) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
      TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  // A strip may be the whole picture, with four channels of 16 bits.
  TIFFOpenOptionsSetMaxSingleMemAlloc(
      options.get(), static_cast<tmsize_t>(8 * file.options.limits.max_pixels + (1 << 20)));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &source);
  return Tiff(TIFFClientOpenExt(file.name.c_str(), "r", &source, read, write, seek, close, size,
                                map, unmap, options.get()));
}

uint32_t field(TIFF* tiff, uint32_t tag) {
  uint32_t value = 0;
  TIFFGetField(tiff, tag, &value);
  return value;
}
uint16_t small_field(TIFF* tiff, uint32_t tag) {
  uint16_t value = 0;
  TIFFGetFieldDefaulted(tiff, tag, &value);
  return value;
}

// The meaning of the channel after the colours.
enum class Alpha { none, straight, multiplied };

// libtiff multiplies colours by alpha unless they are stored that way. So this marks them as such,
// which makes libtiff leave them alone.
Alpha alpha_of(TIFF* tiff) {
  uint16_t count = 0, *kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
  if (count == 0) {
    return Alpha::none;
  }
  const uint16_t kind = kinds[0];
  std::vector<uint16_t> changed(kinds, kinds + count);
  changed[0] = EXTRASAMPLE_ASSOCALPHA;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, count, changed.data());
  return kind == EXTRASAMPLE_ASSOCALPHA   ? Alpha::multiplied
         : kind == EXTRASAMPLE_UNASSALPHA ? Alpha::straight
                                          : Alpha::none;
}

// Undoes the multiplication by alpha, as Pillow does.
void divide_by_alpha(std::vector<uint32_t>& pixels) {
  for (uint32_t& pixel : pixels) {
    const uint32_t alpha = TIFFGetA(pixel);
    uint32_t divided = pixel & 0xFF000000;
    for (int shift = 0; alpha != 0 && shift < 24; shift += 8) {
      divided |= std::min((pixel >> shift & 255) * 255 / alpha, 255u) << shift;
    }
    pixel = divided;
  }
}

class TiffDecoder {
 public:
  explicit TiffDecoder(const EncodedImage& file) : file_(file) {
    source_.bytes = file.bytes;
    tiff_ = open(file, source_);
    check(tiff_ != nullptr, "not readable");
  }

  Image decode() {
    check_header();
    const Alpha alpha = alpha_of(tiff_.get());
    char problem[1024] = "not supported";
    TIFFRGBAImage reader;
    check(TIFFRGBAImageBegin(&reader, tiff_.get(), 1, problem) != 0, problem);
    const std::unique_ptr<TIFFRGBAImage, decltype(&TIFFRGBAImageEnd)> end(&reader,
                                                                          TIFFRGBAImageEnd);
    reader.req_orientation = reader.orientation;  // rows as stored; turned below
    for (uint32_t value = 0; reader.Bitdepth16To8 != nullptr && value < 65536; ++value) {
      reader.Bitdepth16To8[value] = static_cast<uint8_t>(value >> 8);
    }
    source_.pixels = true;
    Image image = upright(read_rows(reader, alpha), reader.orientation);
    image.facts.transparent = alpha != Alpha::none;
    return image;
  }

 private:
  void check(bool ok, const char* problem) const {
    if (!ok || !source_.problem.empty()) {
      fail_decoding(file_, kFormat, source_.problem.empty() ? problem : source_.problem);
    }
  }

  void check_header() const {
    TIFF* tiff = tiff_.get();
    const int64_t width = field(tiff, TIFFTAG_IMAGEWIDTH);
    const int64_t height = field(tiff, TIFFTAG_IMAGELENGTH);
    check_image_size(file_, kFormat, width, height);
    const uint16_t bits = small_field(tiff, TIFFTAG_BITSPERSAMPLE);
    check(bits <= 16 && small_field(tiff, TIFFTAG_SAMPLEFORMAT) == SAMPLEFORMAT_UINT,
          "only whole numbers of at most 16 bits are read; save it as PNG");
    // A small picture in a huge tile.
    const tmsize_t piece = TIFFIsTiled(tiff) != 0 ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
    check(piece > 0 && piece <= 16 * width * height + (1 << 20),
          "a tile or strip is far larger than the picture");
  }

  // A strip or a row of tiles at a time.
  Image read_rows(TIFFRGBAImage& reader, Alpha alpha) const {
    Image image(static_cast<int>(reader.width), static_cast<int>(reader.height));
    uint32_t rows = reader.height;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFIsTiled(tiff_.get()) != 0 ? TIFFTAG_TILELENGTH
                                                                     : TIFFTAG_ROWSPERSTRIP, &rows);
    rows = std::clamp(rows, 1u, reader.height);
    std::vector<uint32_t> pixels(size_t{reader.width} * rows);
    for (uint32_t y = 0; y < reader.height; y += rows) {
      const uint32_t count = std::min(rows, reader.height - y);
      reader.row_offset = static_cast<int>(y);
      check(TIFFRGBAImageGet(&reader, pixels.data(), reader.width, count) != 0,
            "the pixels are damaged");
      if (alpha == Alpha::multiplied) {
        divide_by_alpha(pixels);
      } else if (alpha == Alpha::none) {
        std::for_each(pixels.begin(), pixels.end(), [](uint32_t& p) { p |= 0xFF000000; });
      }
      flatten(file_, reinterpret_cast<const uint8_t*>(pixels.data()), size_t{reader.width} * count,
              image.pixel(0, static_cast<int>(y)));
    }
    return image;
  }

  const EncodedImage& file_;
  Source source_;
  Tiff tiff_;
};

}  // namespace

Image decode_tiff(const EncodedImage& file) { return TiffDecoder(file).decode(); }

}  // namespace mld
