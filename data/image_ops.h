// Geometry that needs no interpolation of its own: crops, flips, padding, and the three ways of
// turning a picture into a square of the model's size.
#pragma once

#include "data/image.h"

namespace mld {

// The box's pixels; those outside the picture are black (Pillow's Image.crop).
// Errors: an empty box.
Image crop(const Image& image, const CropBox& box);

// The middle width x height pixels, offset round-half-even((side - crop) / 2); black margins where
// the picture is smaller (torchvision 0.14 functional.center_crop).
Image center_crop(const Image& image, int width, int height);

// The shorter side becomes `size`, the longer int(size * long / short) (torchvision Resize(int)).
Image resize_shorter_side(const Image& image, int size, Interpolation interpolation);

// The picture with at most `most` pixels a side, bilinear; a smaller one stays as it is.
Image reduced(const Image& image, int most);

Image horizontal_flip(Image image);

// The picture as it is meant to be seen, from its EXIF orientation 1 to 8 (Pillow's
// ImageOps.exif_transpose); any other value changes nothing.
Image upright(Image image, int orientation);

// Luma as Pillow's convert("L"): (19595 R + 38470 G + 7471 B + 32768) >> 16.   [height * width]
std::vector<uint8_t> luma(const Image& image);

// How a picture of any shape becomes size x size (config key data.resize).
enum class ResizeMode {
  squash,  // both sides scaled independently: the choice of ML-Decoder's authors
  crop,    // shorter side to size, then the centre
  pad,     // longer side to size (shorter rounded half to even, at least 1), black margins, of
           // which an odd pixel is on the right or at the bottom
};
constexpr std::array<std::string_view, 3> words_of(ResizeMode) {
  return {"squash", "crop", "pad"};
}

// How resize_to_square() turns a picture of some size into a square.
struct SquareShape {
  int width = 0, height = 0;  // the whole picture, scaled
  CropBox kept{};             // of it; where it reaches beyond, margins are black
};
SquareShape square_shape(int width, int height, int size, ResizeMode mode, int scaled);

// The picture becomes `scaled` pixels a side, or its shorter or longer side does, before the middle
// size x size pixels are kept.   scaled >= size
Image resize_to_square(const Image& image, int size, ResizeMode mode, Interpolation interpolation,
                       int scaled);
inline Image resize_to_square(const Image& image, int size, ResizeMode mode,
                              Interpolation interpolation) {
  return resize_to_square(image, size, mode, interpolation, size);
}

}  // namespace mld
