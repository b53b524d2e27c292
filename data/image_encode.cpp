#include "data/image_encode.h"

#include <turbojpeg.h>

#include <memory>

#include <png.h>

#include "core/error.h"

namespace mld {

std::vector<uint8_t> encode_png(const Image& image, const std::string& name) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<uint8_t> out(bytes);
  const int good =
      png_image_write_to_memory(&png, out.data(), &bytes, 0, image.rgb.data(), 0, nullptr);
  require<DataError>(good != 0, "{}: libpng: {}", name, png.message);
  out.resize(bytes);
  return out;
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality, const std::string& name) {
  const std::unique_ptr<void, int (*)(tjhandle)> encoder(tjInitCompress(), tjDestroy);
  require<DataError>(encoder != nullptr, "{}: libjpeg-turbo: {}", name, tjGetErrorStr());
  std::vector<uint8_t> out(tjBufSize(image.width, image.height, TJSAMP_444));
  unsigned char* data = out.data();
  unsigned long bytes = out.size();
  const int bad = tjCompress2(encoder.get(), image.rgb.data(), image.width, 0, image.height,
                              TJPF_RGB, &data, &bytes, TJSAMP_444, quality,
                              TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
  require<DataError>(bad == 0, "{}: libjpeg-turbo: {}", name, tjGetErrorStr2(encoder.get()));
  out.resize(bytes);
  return out;
}

}  // namespace mld
