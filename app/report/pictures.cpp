#include "app/report/pictures.h"

#include "data/image_encode.h"
#include "data/image_ops.h"
#include "data/text.h"

namespace mld {

std::vector<uint8_t> thumbnail(const Image& image, int side) {
  constexpr int kQuality = 80;
  return encode_jpeg(reduced(image, side), kQuality, "thumbnail");
}

size_t picture_bytes(std::span<const uint8_t> jpeg) {
  constexpr size_t kMarkup = 200;  // what surrounds a picture
  return (jpeg.size() + 2) / 3 * 4 + kMarkup;
}

// Text appears once as it is and once, by set_name(), shortened.
size_t name_bytes(std::string_view name) { return 2 * html_text(name).size(); }

void show_picture(const Slots& to, std::span<const uint8_t> jpeg, std::string_view alt) {
  Slots picture = to.include("IMAGE", "picture.html");
  picture.set_base64("JPEG", jpeg);
  picture.set("ALT", alt);
}

bool RowBudget::take(std::string_view name) {
  const size_t bytes = markup_ + name_bytes(name);
  left_ = bytes <= left_ ? left_ - bytes : 0;
  return left_ > 0;
}

bool PictureBudget::take(size_t bytes) {
  if (bytes > left_) {
    ++left_out_;
    return false;
  }
  left_ -= bytes;
  ++added_;
  return true;
}

std::optional<Slots> PictureBudget::add(const Slots& to, const char* name,
                                       std::span<const uint8_t> jpeg, std::string_view alt) {
  if (!take(picture_bytes(jpeg))) {
    return std::nullopt;
  }
  const Slots section = to.section(name);
  show_picture(section, jpeg, alt);
  return section;
}

}  // namespace mld
