// Depthwise convolution and its gradient in x. Channel c of y comes from channel c of x alone: the
// channels fill the SIMD registers, so NHWC is the right layout as it is, and memory is the limit.
#include "core/cpu/support/conv2d.h"
#include "core/cpu/support/depthwise.h"
#include "core/cpu/support/epilogue.h"
#include "core/cpu/support/simd.h"
#include "core/cpu/support/values.h"

namespace mld::cpu {
namespace {

// Outputs beside each other: where they lie, and how far apart they and what they see are.
struct Strip {
  const float* in;
  int64_t in_step;
  float* out;
  int64_t out_step;
};

// T outputs, V registers of channels each, from channel c on: the sum over the taps of in * w.
template <int T, int V>
void gather(const std::vector<Tap>& taps, const Strip& s, const float* w, int64_t c) {
  Vec sums[T][V] = {};
  for (const Tap& tap : taps) {
    const float *in = s.in + tap.input + c, *weight = w + tap.weight + c;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const Vec factor = load(weight + v * kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        sums[t][v] += load(in + t * s.in_step + v * kLanes) * factor;
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      store(sums[t][v], s.out + t * s.out_step + c + v * kLanes);
    }
  }
}

// T outputs, channels [begin, end).
template <int T>
void gather_channels(const std::vector<Tap>& taps, const Strip& s, const float* w, int64_t begin,
                     int64_t end) {
  constexpr int V = 8 / T;  // eight sums, to hide the latency of their additions
  int64_t c = begin;
  for (; c + V * kLanes <= end; c += V * kLanes) {
    gather<T, V>(taps, s, w, c);
  }
  for (; c + kLanes <= end; c += kLanes) {
    gather<T, 1>(taps, s, w, c);
  }
  for (; c < end; ++c) {
    for (int t = 0; t < T; ++t) {
      float sum = 0;
      for (const Tap& tap : taps) {
        sum += s.in[tap.input + t * s.in_step + c] * w[tap.weight + c];
      }
      s.out[t * s.out_step + c] = sum;
    }
  }
}

// kSlide outputs of a run that slides over N taps, S pixels at a time: each pixel is loaded once
// for all outputs that see it. One register of channels from c on.
template <int N, int S>
void slide(const std::vector<Tap>& taps, const Strip& s, int64_t C, const float* w, int64_t c) {
  Vec sums[kSlide] = {};
  for (size_t row = 0; row < taps.size(); row += N) {
    const float* in = s.in + taps[row].input + c;
    Vec weights[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      weights[i] = load(w + taps[row + static_cast<size_t>(i)].weight + c);
    }
#pragma GCC unroll 32
    for (int j = 0; j < (kSlide - 1) * S + N; ++j) {
      const Vec pixel = load(in + j * C);
#pragma GCC unroll 8
      for (int t = 0; t < kSlide; ++t) {
        if (j - t * S >= 0 && j - t * S < N) {
          sums[t] += pixel * weights[j - t * S];
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kSlide; ++t) {
    store(sums[t], s.out + t * s.out_step + c);
  }
}

// Output row m.   in [N, in_rows, in_columns, C], w [KH, KW, C], out [out_columns, C]
void gather_row(const Walk& walk, int64_t m, const float* in, const float* w, float* out,
                std::vector<Tap>& taps) {
  const int64_t C = walk.C, block = walk.channel_block();
  for (const Run& run : walk.columns) {
    walk.taps(m, run, taps);
    for (int64_t c = 0; c < C; c += block) {
      const int64_t end = std::min(C, c + block);
      Strip s{in, run.stride * C, out + run.first * C, run.step * C};
      int64_t left = run.count;
      const auto advance = [&](int64_t by) {
        s.in += by * s.in_step;
        s.out += by * s.out_step;
        left -= by;
      };
      for (; left >= kSlide; advance(kSlide)) {
        slide_channels(
            run, c, end,
            [&]<int N, int S>(Slide<N, S>, int64_t at) { slide<N, S>(taps, s, C, w, at); },
            [&](int64_t from, int64_t to) { gather_channels<kSlide>(taps, s, w, from, to); });
      }
      if (left >= 4) {
        gather_channels<4>(taps, s, w, c, end);
        advance(4);
      }
      if (left >= 2) {
        gather_channels<2>(taps, s, w, c, end);
        advance(2);
      }
      if (left == 1) {
        gather_channels<1>(taps, s, w, c, end);
      }
    }
  }
}

// All rows: then finish(row) for each.
template <class Finish>
void gather_all(const Walk& walk, const Tensor& in, const Tensor& w, Tensor& out, Finish finish) {
  const Tensor weights = channels_last(w);
  const int64_t row = walk.out_columns * walk.C;
  parallel_for(out.numel() / row, row_grain(row), [&](int64_t begin, int64_t end) {
    std::vector<Tap> taps;
    for (int64_t m = begin; m < end; ++m) {
      gather_row(walk, m, in.data<float>(), weights.data<float>(), out.data<float>() + m * row,
                 taps);
      finish(m);
    }
  });
}

}  // namespace

Tensor channels_last(const Tensor& w) {
  const int64_t C = w.shape()[0], K = w.numel() / C;
  Tensor out({w.shape()[1], w.shape()[2], C});
  const float* from = w.data<float>();
  float* to = out.data<float>();
  for (int64_t k = 0; k < K; ++k) {
    for (int64_t c = 0; c < C; ++c) {
      to[k * C + c] = from[c * K + k];
    }
  }
  return out;
}

void depthwise_forward(const Tensor& x, const Tensor& w, const Tensor& bias,
                       const Tensor& residual, const Conv2dSpec& spec, Tensor& y) {
  const int64_t columns = y.shape()[2];
  const bool plain = !bias.defined() && !residual.defined() && spec.act.kind == Act::identity;
  gather_all(forward_walk({x.shape(), w.shape(), y.shape(), spec}), x, w, y, [&](int64_t m) {
    if (!plain) {  // while the row is in the cache
      epilogue_rows(bias, residual, spec.act, m * columns, (m + 1) * columns, y);
    }
  });
}

void depthwise_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                             Tensor& dx) {
  gather_all(backward_walk({dx.shape(), w.shape(), dy.shape(), spec}), dy, w, dx, [](int64_t) {});
}

}  // namespace mld::cpu
