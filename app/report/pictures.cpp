#include "app/report/pictures.h"

#include <algorithm>

#include "data/image_encode.h"

namespace mld {

std::vector<uint8_t> thumbnail(const Image& image, int side) {
  constexpr int kQuality = 80;
  const int longer = std::max(image.width, image.height);
  if (longer <= side) {
    return encode_jpeg(image, kQuality, "thumbnail");
  }
  const auto scaled = [&](int length) {
    return std::max(1, static_cast<int>(int64_t{length} * side / longer));
  };
  return encode_jpeg(resize(image, scaled(image.width), scaled(image.height),
                            Interpolation::bilinear), kQuality, "thumbnail");
}

std::optional<Slots> PictureBudget::add(const Slots& to, const char* name,
                                       std::span<const uint8_t> jpeg, std::string_view alt) {
  constexpr size_t kMarkup = 200;  // what surrounds a picture
  const size_t bytes = (jpeg.size() + 2) / 3 * 4 + kMarkup;
  if (bytes > left_) {
    ++left_out_;
    return std::nullopt;
  }
  left_ -= bytes;
  ++added_;
  Slots section = to.section(name);
  Slots picture = section.include("IMAGE", "picture.html");
  picture.set_base64("JPEG", jpeg);
  picture.set("ALT", alt);
  return section;
}

}  // namespace mld
