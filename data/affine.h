// Affine picture transforms with Pillow 9.4's arithmetic (libImaging/Geometry.c), bit for bit.
#pragma once

#include "data/image_ops.h"

namespace mld {

// Maps an output pixel's centre to the input: x_in = a x + b y + c, y_in = d x + e y + f.
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};

// The transformed picture, same size; output pixels that map outside the input are `fill`. Unlike
// resize(), it does not antialias when the picture shrinks, and its bicubic kernel has a = -1.
Image affine_transform(const Image& image, const Affine& map, Interpolation interpolation,
                       Rgb fill);

// Turned counter-clockwise about the centre, same size. Multiples of 180 degrees, and of 90 for a
// square picture, move pixels without interpolation.
Image rotate(const Image& image, double degrees, Interpolation interpolation, Rgb fill);

}  // namespace mld
