// How a picture becomes a model's input: keys of config section [data], the part "preprocessing"
// of every checkpoint, and an argument of loading and prediction.
#pragma once

#include "core/normalize.h"
#include "data/image_ops.h"

namespace mld {

// Whether to apply the EXIF orientation, with which cameras mark a picture as stored rotated.
enum class Exif {
  ignore,  // as the published reference does
  apply,
};
constexpr std::array<std::string_view, 2> words_of(Exif) { return {"ignore", "apply"}; }

struct Preprocess {
  static constexpr int64_t kLeastSize = 16, kMostSize = 4096;
  int64_t image_size = 448;  // pictures become [image_size, image_size]
  int64_t eval_size = 0;     // the same outside training; 0: image_size
  ResizeMode resize = ResizeMode::squash;
  Interpolation interpolation = Interpolation::bilinear;
  double crop_pct = 1;  // image_size as a part of the size before the last crop; 1: no such crop
  Normalize normalize = Normalize::none;
  Exif exif = Exif::ignore;
  std::optional<Rgb> background{};  // the colour under transparent pixels; none: alpha dropped

  bool operator==(const Preprocess&) const = default;
};

// How pictures are prepared outside training. A random crop shows training larger objects than
// evaluation sees at the same size; larger pictures make up for it (Touvron et al. 2019,
// arXiv 1906.06423).
inline Preprocess for_evaluation(Preprocess spec) {
  spec.image_size = spec.eval_size > 0 ? spec.eval_size : spec.image_size;
  return spec;
}

// How to decode files for `spec`.
inline DecodeOptions decode_options(const Preprocess& spec, int64_t max_pixels) {
  return {.limits = {.max_pixels = max_pixels},
          .turn = spec.exif == Exif::apply,
          .background = spec.background};
}

// The size of the picture before the last crop; rounded down, as timm does.
inline int scaled_size(const Preprocess& spec) {
  return static_cast<int>(static_cast<double>(spec.image_size) / spec.crop_pct);
}

// The part of a picture that to_square() shows, in shares of the picture's sides: beyond 0 to 1
// where it has margins.
struct SeenPart {
  double x = 0, y = 0, width = 1, height = 1;
};
inline SeenPart seen_part(int width, int height, const Preprocess& spec) {
  const SquareShape shape = square_shape(width, height, static_cast<int>(spec.image_size),
                                         spec.resize, scaled_size(spec));
  const double w = shape.width, h = shape.height;
  return {.x = shape.kept.x / w, .y = shape.kept.y / h, .width = shape.kept.width / w,
          .height = shape.kept.height / h};
}

// The picture as pixels of the model's size; normalize_images() does the rest.
inline Image to_square(const Image& image, const Preprocess& spec) {
  return resize_to_square(image, static_cast<int>(spec.image_size), spec.resize,
                          spec.interpolation, scaled_size(spec));
}

}  // namespace mld
