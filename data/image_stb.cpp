// The only file that includes stb_image.
//
// Note [How far stb_image is trusted]. Debian 12's stb_image 2.27 treats a truncated file as if it
// went on with zeros, uses palette entries it never read, counts an OS/2 palette four entries
// short, and ignores a PNM's maximum. So it reads through callbacks that notice a read past the
// end; we read headers, limits and palettes ourselves (image_bmp.cpp, image_tga.cpp) and give it
// the pixels after a plain header that we write; its other decoders are compiled out.
#include "data/image_stb.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#include <stb_image.h>

namespace mld {
namespace {

struct Feed {
  std::span<const uint8_t> head, rest;
  const char* buffer = nullptr;  // stb_image's read-ahead buffer
  bool past_end = false;

  size_t left() const { return head.size() + rest.size(); }
  void advance(size_t count) {
    const size_t first = std::min(count, head.size());
    head = head.subspan(first);
    rest = rest.subspan(count - first);
  }
};

int read(void* user, char* to, int size) {
  auto* feed = static_cast<Feed*>(user);
  const size_t wanted = static_cast<size_t>(size);
  if (feed->buffer == nullptr) {
    feed->buffer = to;  // the first read fills the read-ahead buffer
  }
  // A read-ahead may come back short; if it gets nothing, stb_image needed a byte that is missing.
  feed->past_end |= to == feed->buffer ? feed->left() == 0 : feed->left() < wanted;
  const size_t got = std::min(wanted, feed->left()), first = std::min(got, feed->head.size());
  std::copy_n(feed->head.begin(), first, to);
  std::copy_n(feed->rest.begin(), got - first, to + first);
  feed->advance(got);
  return static_cast<int>(got);
}

void skip(void* user, int count) {
  auto* feed = static_cast<Feed*>(user);
  feed->past_end |= count < 0 || static_cast<size_t>(count) > feed->left();
  feed->advance(std::min(static_cast<size_t>(std::max(count, 0)), feed->left()));
}

int at_end(void* user) { return static_cast<Feed*>(user)->left() == 0; }

}  // namespace

Image decode_stb(const EncodedImage& file, const char* format, std::span<const uint8_t> head,
                 std::span<const uint8_t> rest, int channels) {
  constexpr stbi_io_callbacks kCallbacks = {read, skip, at_end};
  Feed feed{.head = head, .rest = rest};
  int width = 0, height = 0, stored = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_callbacks(&kCallbacks, &feed, &width, &height, &stored, channels),
      stbi_image_free);
  if (pixels == nullptr) {
    const std::string_view reason = stbi_failure_reason();
    if (reason == "outofmem") {
      throw std::bad_alloc();
    }
    fail_decoding(file, format, std::string(reason));
  }
  if (feed.past_end) {
    fail_decoding(file, format, "the file ends early");
  }
  Image image(width, height);
  const size_t count = image.rgb.size() / 3;
  if (channels == 4) {
    flatten(file, pixels.get(), count, image.rgb.data());
  } else {
    std::memcpy(channels == 1 ? palette_indices(image) : image.rgb.data(), pixels.get(),
                count * static_cast<size_t>(channels));
  }
  return image;
}

}  // namespace mld
