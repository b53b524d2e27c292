// GIF through giflib: the first picture of the file, as Pillow shows it.
#include <algorithm>
#include <cstring>
#include <memory>

#include <gif_lib.h>

#include "data/image_formats.h"

namespace mld {
namespace {

constexpr const char* kFormat = "GIF";

// The input of giflib. A picture is complete with its last pixel: while its pixel blocks are read,
// a missing length of the next block counts as zero, the end. So a file without its closing bytes
// is accepted, and one that lacks a byte within a block is not.
struct Source {
  std::span<const uint8_t> left;
  bool pixels = false;    // reading blocks of pixels
  size_t block_left = 0;  // unread bytes of the current block
  bool cut = false;       // the file lacked its end
};

int read(GifFileType* gif, GifByteType* to, int size) {
  auto* source = static_cast<Source*>(gif->UserData);
  const size_t wanted = static_cast<size_t>(size);
  const bool length = source->pixels && source->block_left == 0;
  if (length && source->left.empty()) {
    *to = 0;
    source->cut = true;
    return 1;
  }
  const size_t got = std::min(wanted, source->left.size());
  std::copy_n(source->left.begin(), got, to);
  source->left = source->left.subspan(got);
  if (source->pixels) {
    source->block_left = length ? *to : source->block_left - std::min(got, source->block_left);
  }
  return static_cast<int>(got);
}

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

class GifDecoder {
 public:
  explicit GifDecoder(const EncodedImage& file) : file_(file), source_{.left = file.bytes} {
    int error = 0;
    gif_.reset(DGifOpen(&source_, read, &error));
    if (gif_ == nullptr) {
      fail(error);
    }
  }

  Image decode() {
    skip_to_picture();
    check(DGifGetImageDesc(gif_.get()));
    source_.pixels = true;
    const GifImageDesc& place = gif_->Image;
    check_image_size(file_, kFormat, place.Width, place.Height);
    // A picture that extends beyond the logical screen enlarges it.
    const int width = std::max(gif_->SWidth, place.Left + place.Width);
    const int height = std::max(gif_->SHeight, place.Top + place.Height);
    check_image_size(file_, kFormat, width, height);
    Image image(width, height);
    // Around the picture Pillow shows the transparent colour, else colour 0.
    uint8_t* indices = palette_indices(image);
    if (place.Width < width || place.Height < height) {
      std::memset(indices, std::max(transparent_, 0), image.rgb.size() / 3);
    }
    read_rows(indices + static_cast<size_t>(place.Top) * static_cast<size_t>(width) + place.Left,
              static_cast<size_t>(width));
    apply_palette(file_, kFormat, palette(), image);
    image.facts.transparent = transparent_ >= 0;
    if (source_.cut) {
      image.facts.damage = "GIF: the end mark is missing";
    }
    return image;
  }

 private:
  [[noreturn]] void fail(int error) const {
    const char* text = GifErrorString(error);
    fail_decoding(file_, kFormat, text != nullptr ? text : "unknown error");
  }
  void check(int result) const {
    if (result != GIF_OK) {
      fail(gif_->Error);
    }
  }

  // Extensions before the picture may declare a transparent colour.
  void skip_to_picture() {
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    for (check(DGifGetRecordType(gif_.get(), &record)); record != IMAGE_DESC_RECORD_TYPE;
         check(DGifGetRecordType(gif_.get(), &record))) {
      if (record != EXTENSION_RECORD_TYPE) {
        fail_decoding(file_, kFormat, "there is no picture in the file");
      }
      int code = 0;
      GifByteType* block = nullptr;  // its length, then its bytes
      for (check(DGifGetExtension(gif_.get(), &code, &block)); block != nullptr;
           check(DGifGetExtensionNext(gif_.get(), &block))) {
        if (code == GRAPHICS_EXT_FUNC_CODE && block[0] >= 4) {
          transparent_ = (block[1] & 1) != 0 ? int{block[4]} : -1;
        }
      }
    }
  }

  // Rows of an interlaced picture are stored in four passes.
  void read_rows(uint8_t* first, size_t stride) {
    constexpr int kBegin[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
    const GifImageDesc& place = gif_->Image;
    for (int pass = 0; pass < (place.Interlace ? 4 : 1); ++pass) {
      for (int y = kBegin[pass]; y < place.Height; y += place.Interlace ? kStep[pass] : 1) {
        check(DGifGetLine(gif_.get(), first + static_cast<size_t>(y) * stride, place.Width));
      }
    }
  }

  // Without a palette an index is a grey value.
  std::vector<Rgba> palette() const {
    const ColorMapObject* map =
        gif_->Image.ColorMap != nullptr ? gif_->Image.ColorMap : gif_->SColorMap;
    std::vector<Rgba> colours(map != nullptr ? static_cast<size_t>(map->ColorCount) : 256);
    for (size_t i = 0; i < colours.size(); ++i) {
      const uint8_t grey = static_cast<uint8_t>(i);
      const uint8_t alpha = static_cast<int>(i) == transparent_ ? 0 : 255;
      colours[i] = map != nullptr ? Rgba{map->Colors[i].Red, map->Colors[i].Green,
                                         map->Colors[i].Blue, alpha}
                                  : Rgba{grey, grey, grey, alpha};
    }
    return colours;
  }

  const EncodedImage& file_;
  Source source_;
  std::unique_ptr<GifFileType, Close> gif_;
  int transparent_ = -1;  // a colour, -1: none
};

}  // namespace

Image decode_gif(const EncodedImage& file) { return GifDecoder(file).decode(); }

}  // namespace mld
