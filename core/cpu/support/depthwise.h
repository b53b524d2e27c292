// The geometry of depthwise convolutions: which pixels of one picture make up each pixel of
// another, so that kernels only multiply and add.
#pragma once

#include <vector>

#include "core/cpu/support/conv2d.h"
#include "core/cpu/support/simd.h"

namespace mld::cpu {

// A position k in the kernel, and the pixel under it.
struct Seen {
  int64_t k, at;
};

// Neighbouring outputs that see the same positions of the kernel: first, first + step, ... From one
// to the next, what they see moves by `stride`.
struct Run {
  int64_t first, count, step, stride;
  std::vector<Seen> seen;  // by the first, in the order of the pixels

  // Whether it is a correlation of `taps` pixels beside each other, moving by `by`.
  bool slides(int64_t taps, int64_t by) const;
};

// One pixel of the kernel: what it lies on for the first output of a run, and its weights.
struct Tap {
  int64_t input, weight;  // offsets of channel 0 in [N, in_rows, in_columns, C] and [KH, KW, C]
};

// How pictures follow from others by a convolution, or by its gradient.
struct Walk {
  int64_t C, KH, KW, in_rows, in_columns, out_columns;
  std::vector<std::vector<Seen>> rows;  // by output row
  std::vector<Run> columns;

  int64_t out_rows() const { return static_cast<int64_t>(rows.size()); }
  // Channels taken at a time: whole vectors, equal shares, so few that their weights stay in the L1
  // cache beside the pixels.
  int64_t channel_block() const;
  // The taps along a run of columns of output row m, counted over all pictures.
  void taps(int64_t m, const Run& run, std::vector<Tap>& out) const;
};

inline constexpr int kSlide = 8;  // outputs of a sliding kernel

// A kernel for kSlide outputs of a run that slides over N taps, S pixels at a time.
template <int N, int S>
struct Slide {};

// Channels [begin, end) of kSlide outputs of a run: sliding(Slide<N, S>, c) for each register of
// channels if the run slides and such a kernel is compiled, then rest(c, end) from channel c on.
template <class Sliding, class Rest>
void slide_channels(const Run& run, int64_t begin, int64_t end, Sliding sliding, Rest rest) {
  int64_t c = begin;
  const auto fits = [&]<int N, int S>(Slide<N, S> form) {
    const bool slides = run.slides(N, S);
    for (; slides && c + kLanes <= end; c += kLanes) {
      sliding(form, c);
    }
    return slides;
  };
  // 3x3 and 5x5 kernels at both strides. At stride 2 a pixel's gradient has two taps or three.
  static_cast<void>(fits(Slide<3, 1>()) || fits(Slide<5, 1>()) || fits(Slide<3, 2>()) ||
                    fits(Slide<5, 2>()) || fits(Slide<2, 1>()));
  rest(c, end);
}

// The weight with its channels beside each other.   w [C, KH, KW, 1] -> [KH, KW, C]
Tensor channels_last(const Tensor& w);

Walk forward_walk(const ConvProblem& problem);   // y from x
Walk backward_walk(const ConvProblem& problem);  // dx from dy

}  // namespace mld::cpu
