// What the kernels of depthwise convolutions share: the map from output pixels to input pixels, and
// how blocks divide the pictures.
#pragma once

#include "core/specs.h"
#include "cuda/channels.cuh"

namespace mld::cuda {

inline constexpr int kDepthwiseThreads = 128;
// Neighbouring columns that a thread computes; it loads every pixel under them once.
inline constexpr int kOutputs = 8;

// The convolution's output pixels in terms of its input.
template <int K, int S>
struct Forward {
  static constexpr int kPixels = (kOutputs - 1) * S + K;  // under kOutputs columns
  int top, left;

  // The kernel's column that takes pixel j to output t; outside [0, K): none.
  __device__ static constexpr int column(int j, int t) { return j - t * S; }
  // The row of pixels under the kernel's row kh, negative or too large outside.
  __device__ int row(int out, int kh) const { return out * S - top + kh; }
  __device__ int first(int out) const { return out * S - left; }  // pixel 0
};

// A picture's size in and out, and how blocks share the output: tiles of channels, innermost, then
// of columns, then of rows, then pictures. A warp's threads lie side by side along the channels.
struct Tiling {
  int in_rows, in_columns, out_rows, out_columns;
  int64_t C;
  int lanes;  // threads along the channels: a power of two, at most 32
  int channel_tiles, column_tiles, row_tiles;

  Tiling(const Shape& in, const Shape& out, int V)
      : in_rows(static_cast<int>(in[1])), in_columns(static_cast<int>(in[2])),
        out_rows(static_cast<int>(out[1])), out_columns(static_cast<int>(out[2])), C(in[3]),
        lanes(ChannelGrid(1, in[3], V, 1).across),
        channel_tiles(static_cast<int>(ceil_div(C, lanes * V))),
        column_tiles(static_cast<int>(ceil_div(out_columns, kOutputs))),
        row_tiles(static_cast<int>(ceil_div(out_rows, kDepthwiseThreads / lanes))) {}
  unsigned blocks(int64_t N) const {
    return static_cast<unsigned>(N * row_tiles * column_tiles * channel_tiles);
  }
};

// Calls body.operator()<K, S>() with the kernel's side and the stride.
template <class Body>
void with_window(const Shape& w, const Conv2dSpec& spec, Body&& body) {
  if (w[1] == 3) {
    spec.stride == 1 ? body.template operator()<3, 1>() : body.template operator()<3, 2>();
  } else {
    spec.stride == 1 ? body.template operator()<5, 1>() : body.template operator()<5, 2>();
  }
}

// Padding above and left of x.
struct Padding {
  int top, left;

  Padding(const Shape& x, const Shape& w, const Conv2dSpec& spec)
      : top(static_cast<int>(spec.before(x[1], w[1]))),
        left(static_cast<int>(spec.before(x[2], w[2]))) {}
};

}  // namespace mld::cuda
