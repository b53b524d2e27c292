// Maps of attention as pictures.
#pragma once

#include "core/tensor.h"
#include "data/image.h"
#include "data/preprocess.h"

namespace mld {

// A colour for v in [0, 1]: matplotlib's viridis, which is even to the eye, also to one that does
// not tell red from green, and rises in lightness. Polynomials of degree 6 (Matt Zucker, CC0,
// https://www.shadertoy.com/view/WlfXRN).
Rgb heat_colour(double v);

// The largest weight of a map as a multiple of what each would be if all were equal: 1 says that
// the whole picture is read alike.   map f32 [rows, columns]
double peak_of(const Tensor& map);

// The map's colours alone, as they lie over a picture of width x height pixels or a reduced one of
// its shape: from 0 to the map's largest weight, interpolated between the middles of its cells.
// What the model did not see is black.   map f32 [rows, columns]
Image attention_colours(int width, int height, const Tensor& map, const SeenPart& seen);

// A picture in grey with a map laid over the part of it that the model saw, of this `opacity`, 0 to
// 1. What the model did not see is darkened.   map f32 [rows, columns]
Image attention_overlay(const Image& picture, const Tensor& map, const SeenPart& seen,
                        double opacity);

}  // namespace mld
