// JPEG through libjpeg-turbo's libjpeg interface, with Pillow's settings: accurate integer inverse
// DCT and smooth chroma upsampling (both the library's defaults, spelt out).
#include <algorithm>
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>
// needs the line above
#include <jerror.h>

#include "data/exif.h"
#include "data/image_formats.h"

namespace mld {
namespace {

// Note [C libraries that jump]. libjpeg and libpng report an error through a callback that must not
// return. Ours keeps the text and jumps by longjmp to the setjmp of the decoder's current phase.
// Such a phase is one function whose locals are trivial, so the jump skips no destructor; memory
// belongs to the decoder object, whose destructor runs however the phase ended.
struct JpegErrors {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  char harmless[JMSG_LENGTH_MAX];  // the first warning that was ignored
  bool in_header, ends_early;
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  errors->manager.format_message(info, errors->text);
  std::longjmp(errors->jump, 1);
}

// Level -1 is a warning: libjpeg would go on with made-up pixels; other levels are traces. Pixels
// do not depend on bytes between segments before the first scan, nor on the end marker: without it,
// read_pixels() checks that no pixel is missing. (Later stray bytes mean a damaged scan.)
void on_message(j_common_ptr info, int level) {
  auto* errors = reinterpret_cast<JpegErrors*>(info->err);
  if (level >= 0) {
    return;
  }
  const int code = errors->manager.msg_code;
  const bool ends_early = code == JWRN_JPEG_EOF && !errors->in_header;
  const bool stray = errors->in_header && (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR);
  if (!ends_early && !stray) {
    leave(info);
  }
  errors->ends_early |= ends_early;
  if (errors->harmless[0] == 0) {
    errors->manager.format_message(info, errors->harmless);
  }
}

// A progressive file of a few kilobytes may ask for thousands of passes over the whole picture.
struct JpegProgress {
  jpeg_progress_mgr manager;  // first, as above
  int max_scans;
};

void on_progress(j_common_ptr info) {
  const auto* progress = reinterpret_cast<const JpegProgress*>(info->progress);
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > progress->max_scans) {
    auto* errors = reinterpret_cast<JpegErrors*>(info->err);
    std::snprintf(errors->text, sizeof errors->text, "more than %d scans", progress->max_scans);
    std::longjmp(errors->jump, 1);
  }
}

class JpegDecoder {
 public:
  explicit JpegDecoder(const ImageLimits& limits) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = leave;
    errors_.manager.emit_message = on_message;
    progress_.manager.progress_monitor = on_progress;
    progress_.max_scans = limits.max_scans;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  const char* error() const {
    return errors_.ends_early ? "Premature end of JPEG file" : errors_.text;
  }
  // The first harmless warning so far; empty = none.
  std::string damage() const {
    return errors_.harmless[0] != 0 ? fmt::format("JPEG: {}", errors_.harmless) : "";
  }
  // To be called after read_header() and before read_pixels(), which drops libjpeg's markers.
  int orientation() const {
    int found = 1;
    for (const jpeg_marker_struct* m = info_.marker_list; m != nullptr && found == 1; m = m->next) {
      found = m->marker == kExifMarker ? exif_orientation({m->data, m->data_length}) : 1;
    }
    return found;
  }
  int64_t width() const { return info_.image_width; }
  int64_t height() const { return info_.image_height; }

  // Each phase returns false on an error or a warning; error() then has its text.
  bool read_header(const uint8_t* bytes, size_t size) {
    if (setjmp(errors_.jump) != 0) {
      return false;
    }
    jpeg_create_decompress(&info_);
    info_.progress = &progress_.manager;
    jpeg_mem_src(&info_, bytes, static_cast<unsigned long>(size));
    jpeg_save_markers(&info_, kExifMarker, 0xFFFF);
    errors_.in_header = true;
    jpeg_read_header(&info_, TRUE);
    errors_.in_header = false;
    return true;
  }

  // rgb [height, width, 3]
  bool read_pixels(uint8_t* rgb) {
    if (setjmp(errors_.jump) != 0) {
      return false;
    }
    const bool four = info_.num_components == 4;  // CMYK or YCCK
    info_.out_color_space = four ? JCS_CMYK : JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    // For the coefficients of a progressive picture: 2 bytes a sample, sides rounded up to blocks.
    info_.mem->max_memory_to_use = (long{64} << 20) + 16 * static_cast<long>(width() * height());
    jpeg_start_decompress(&info_);
    if (four) {
      read_cmyk(rgb);
    } else {
      read_rgb(rgb);
    }
    const bool whole = !errors_.ends_early || had_all_pixels();
    jpeg_finish_decompress(&info_);  // reads to the end marker, so a missing one is noticed
    return whole;
  }

 private:
  static constexpr int kExifMarker = JPEG_APP0 + 1;

  // For a file without an end marker, after all rows. A bit missing within a scan was an error
  // already (libjpeg reports it, except in arithmetic coding), so this looks for missing scans.
  bool had_all_pixels() const {
    if (info_.arith_code || info_.coef_bits == nullptr) {
      return !info_.arith_code && info_.comps_in_scan == info_.num_components;
    }
    bool complete = true;  // a progressive picture: every coefficient to its last bit
    for (int c = 0; c < info_.num_components; ++c) {
      complete = complete && std::all_of(info_.coef_bits[c], info_.coef_bits[c] + DCTSIZE2,
                                         [](int missing) { return missing == 0; });
    }
    return complete;
  }

  void read_rgb(uint8_t* rgb) {
    constexpr JDIMENSION kRows = 16;
    const size_t stride = static_cast<size_t>(info_.output_width) * 3;
    JSAMPROW rows[kRows];
    while (info_.output_scanline < info_.output_height) {
      const JDIMENSION left = std::min(kRows, info_.output_height - info_.output_scanline);
      for (JDIMENSION i = 0; i < left; ++i) {
        rows[i] = rgb + (info_.output_scanline + i) * stride;
      }
      jpeg_read_scanlines(&info_, rows, left);
    }
  }

  // Pillow treats every four-component JPEG as Adobe's, with inverted values: a sample v stands for
  // the ink 255 - v, and the colour is (255 - C)(255 - K) / 255, rounded.
  void read_cmyk(uint8_t* rgb) {
    auto* common = reinterpret_cast<j_common_ptr>(&info_);
    JSAMPARRAY row = info_.mem->alloc_sarray(common, JPOOL_IMAGE, info_.output_width * 4, 1);
    while (info_.output_scanline < info_.output_height) {
      uint8_t* to = rgb + info_.output_scanline * (static_cast<size_t>(info_.output_width) * 3);
      jpeg_read_scanlines(&info_, row, 1);
      for (JDIMENSION x = 0; x < info_.output_width; ++x) {
        const JSAMPLE* inverted = row[0] + size_t{4} * x;
        const int key = inverted[3];
        for (int c = 0; c < 3; ++c) {
          const int ink = 255 - inverted[c], product = ink * key + 128;
          *to++ = static_cast<uint8_t>(std::clamp(key - (((product >> 8) + product) >> 8), 0, 255));
        }
      }
    }
  }

  JpegErrors errors_{};
  JpegProgress progress_{};
  jpeg_decompress_struct info_{};
};

}  // namespace

Image decode_jpeg(const EncodedImage& file) {
  JpegDecoder decoder(file.options.limits);
  if (!decoder.read_header(file.bytes.data(), file.bytes.size())) {
    fail_decoding(file, "JPEG", decoder.error());
  }
  check_image_size(file, "JPEG", decoder.width(), decoder.height());
  Image image(static_cast<int>(decoder.width()), static_cast<int>(decoder.height()));
  image.facts.orientation = decoder.orientation();
  if (!decoder.read_pixels(image.rgb.data())) {
    fail_decoding(file, "JPEG", decoder.error());
  }
  image.facts.damage = decoder.damage();
  return image;
}

}  // namespace mld
