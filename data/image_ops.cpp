#include "data/image_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"

namespace mld {
namespace {

int round_half_even(double value) { return static_cast<int>(std::nearbyint(value)); }

}  // namespace

Image crop(const Image& image, const CropBox& box) {
  require(box.width > 0 && box.height > 0, "crop: a box of {} x {} pixels is empty", box.width,
          box.height);
  Image out(box.width, box.height);
  const int left = std::max(box.x, 0), right = std::min(box.x + box.width, image.width);
  const int top = std::max(box.y, 0), bottom = std::min(box.y + box.height, image.height);
  for (int y = top; left < right && y < bottom; ++y) {
    std::memcpy(out.pixel(left - box.x, y - box.y), image.pixel(left, y),
                static_cast<size_t>(right - left) * 3);
  }
  return out;
}

// The offset of a crop of `cropped` pixels in the middle of `side`. A picture smaller than the crop
// is padded first, with the odd pixel on the right; the crop's own offset is then 0.
static int middle(int side, int cropped) {
  return side < cropped ? -((cropped - side) / 2) : round_half_even((side - cropped) / 2.0);
}

Image center_crop(const Image& image, int width, int height) {
  return crop(image, {.x = middle(image.width, width),
                      .y = middle(image.height, height),
                      .width = width,
                      .height = height});
}

// The sides of a picture scaled so that the shorter one is `size`.
static SquareShape scaled_to_shorter(int width, int height, int size) {
  const int64_t shorter = std::min(width, height), longer = std::max(width, height);
  require(shorter > 0, "resize_shorter_side: the picture is empty");
  const int64_t scaled = size * longer / shorter;
  require<DataError>(scaled <= std::numeric_limits<int>::max(),
                     "a picture of {} x {} pixels is too narrow for data.resize = \"crop\" to {}",
                     width, height, size);
  const int other = static_cast<int>(scaled);
  return width <= height ? SquareShape{.width = size, .height = other}
                         : SquareShape{.width = other, .height = size};
}

Image resize_shorter_side(const Image& image, int size, Interpolation interpolation) {
  const SquareShape scaled = scaled_to_shorter(image.width, image.height, size);
  return resize(image, scaled.width, scaled.height, interpolation);
}

Image reduced(const Image& image, int most) {
  const int longer = std::max(image.width, image.height);
  if (longer <= most) {
    return image;
  }
  const auto side = [&](int own) {
    return std::max(1, static_cast<int>(int64_t{own} * most / longer));
  };
  return resize(image, side(image.width), side(image.height), Interpolation::bilinear);
}

Image horizontal_flip(Image image) {
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width / 2; ++x) {
      std::swap_ranges(image.pixel(x, y), image.pixel(x, y) + 3,
                       image.pixel(image.width - 1 - x, y));
    }
  }
  return image;
}

Image upright(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) {
    return image;
  }
  const bool swapped = orientation >= 5;  // rows become columns
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 ||
                           orientation == 7;
  const int width = image.width, height = image.height;
  Image out(swapped ? height : width, swapped ? width : height);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const int column = swapped ? y : x, row = swapped ? x : y;
      std::memcpy(out.pixel(x, y), image.pixel(from_right ? width - 1 - column : column,
                                               from_bottom ? height - 1 - row : row), 3);
    }
  }
  return out;
}

std::vector<uint8_t> luma(const Image& image) {
  std::vector<uint8_t> grey(image.rgb.size() / 3);
  for (size_t i = 0; i < grey.size(); ++i) {
    const uint8_t* p = &image.rgb[i * 3];
    grey[i] = static_cast<uint8_t>((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
  }
  return grey;
}

SquareShape square_shape(int width, int height, int size, ResizeMode mode, int scaled) {
  SquareShape shape{.width = scaled, .height = scaled};
  if (mode == ResizeMode::crop) {
    shape = scaled_to_shorter(width, height, scaled);
  }
  CropBox whole{.width = shape.width, .height = shape.height};  // what the middle is kept of
  if (mode == ResizeMode::pad) {
    const int longer = std::max(width, height);
    const auto side = [&](int own) {
      return std::max(1, round_half_even(static_cast<double>(scaled) * own / longer));
    };
    shape = {.width = side(width), .height = side(height)};
    whole.x = -((scaled - shape.width) / 2);
    whole.y = -((scaled - shape.height) / 2);
  }
  shape.kept = {.x = whole.x + middle(whole.width, size),
                .y = whole.y + middle(whole.height, size),
                .width = size,
                .height = size};
  return shape;
}

Image resize_to_square(const Image& image, int size, ResizeMode mode, Interpolation interpolation,
                       int scaled) {
  const SquareShape shape = square_shape(image.width, image.height, size, mode, scaled);
  if (mode == ResizeMode::pad) {
    return crop(resize(image, shape.width, shape.height, interpolation), shape.kept);
  }
  return resize(image, shape.width, shape.height, interpolation, shape.kept);
}

}  // namespace mld
