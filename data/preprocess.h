// How a picture becomes a model's input: keys of config section [data], the part "preprocessing"
// of every checkpoint, and what loading and prediction are given.
#pragma once

#include "core/normalize.h"
#include "data/image_ops.h"

namespace mld {

struct Preprocess {
  int64_t image_size = 448;  // pictures are made [image_size, image_size]
  ResizeMode resize = ResizeMode::squash;
  Interpolation interpolation = Interpolation::bilinear;
  Normalize normalize = Normalize::none;

  bool operator==(const Preprocess&) const = default;
};

// The picture as pixels of the model's size; normalize_images() does the rest.
inline Image to_square(const Image& image, const Preprocess& spec) {
  return resize_to_square(image, static_cast<int>(spec.image_size), spec.resize,
                          spec.interpolation);
}

}  // namespace mld
