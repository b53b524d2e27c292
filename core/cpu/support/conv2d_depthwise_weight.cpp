// The weight's gradient of a depthwise convolution: every thread sums the products of its rows, in
// float32 for some hundred pixels, in float64 from there on.
#include <algorithm>

#include "core/cpu/support/channel_sums.h"
#include "core/cpu/support/conv2d.h"
#include "core/cpu/support/depthwise.h"
#include "core/cpu/support/simd.h"

namespace mld::cpu {
namespace {

// Outputs beside each other, and what they see.
struct Pairs {
  const float *x, *dy;
  int64_t x_step, dy_step;
};

// T outputs, one register of channels from c on: each tap's sum gets its products x * dy.
template <int T>
void correlate(const std::vector<Tap>& taps, const Pairs& p, float* sums, int64_t c) {
  Vec dy[T];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    dy[t] = load(p.dy + t * p.dy_step + c);
  }
  for (const Tap& tap : taps) {
    const float* x = p.x + tap.input + c;
    Vec sum = load(sums + tap.weight + c);
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      sum += load(x + t * p.x_step) * dy[t];
    }
    store(sum, sums + tap.weight + c);
  }
}

// kSlide outputs of a run that slides over N taps, S pixels at a time: each pixel is loaded once
// for all of them. One register of channels from c on.
template <int N, int S>
void slide(const std::vector<Tap>& taps, const Pairs& p, float* sums, int64_t c) {
  Vec dy[kSlide];
#pragma GCC unroll 8
  for (int t = 0; t < kSlide; ++t) {
    dy[t] = load(p.dy + t * p.dy_step + c);
  }
  for (size_t row = 0; row < taps.size(); row += N) {
    const float* x = p.x + taps[row].input + c;
    Vec total[N];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      total[i] = load(sums + taps[row + static_cast<size_t>(i)].weight + c);
    }
#pragma GCC unroll 32
    for (int j = 0; j < (kSlide - 1) * S + N; ++j) {
      const Vec pixel = load(x + j * p.dy_step);
#pragma GCC unroll 8
      for (int t = 0; t < kSlide; ++t) {
        if (j - t * S >= 0 && j - t * S < N) {
          total[j - t * S] += pixel * dy[t];
        }
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) {
      store(total[i], sums + taps[row + static_cast<size_t>(i)].weight + c);
    }
  }
}

// T outputs, channels [begin, end).
template <int T>
void correlate_channels(const std::vector<Tap>& taps, const Pairs& p, float* sums, int64_t begin,
                        int64_t end) {
  int64_t c = begin;
  for (; c + kLanes <= end; c += kLanes) {
    correlate<T>(taps, p, sums, c);
  }
  for (; c < end; ++c) {
    for (const Tap& tap : taps) {
      for (int t = 0; t < T; ++t) {
        sums[tap.weight + c] += p.x[tap.input + t * p.x_step + c] * p.dy[t * p.dy_step + c];
      }
    }
  }
}

// Row m of dy: sums [KH, KW, C] get its products with x.   x [N, H, W, C]; dy the row's [OW, C]
void correlate_row(const Walk& walk, int64_t m, const float* x, const float* dy, float* sums,
                   std::vector<Tap>& taps) {
  const int64_t C = walk.C, block = walk.channel_block();
  for (const Run& run : walk.columns) {
    walk.taps(m, run, taps);
    for (int64_t c = 0; c < C; c += block) {
      const int64_t end = std::min(C, c + block);
      Pairs p{x, dy + run.first * C, run.stride * C, C};
      int64_t left = run.count;
      const auto advance = [&](int64_t by) {
        p.x += by * p.x_step;
        p.dy += by * p.dy_step;
        left -= by;
      };
      for (; left >= kSlide; advance(kSlide)) {
        slide_channels(
            run, c, end,
            [&]<int N, int S>(Slide<N, S>, int64_t at) { slide<N, S>(taps, p, sums, at); },
            [&](int64_t from, int64_t to) { correlate_channels<kSlide>(taps, p, sums, from, to); });
      }
      for (; left >= 2; advance(2)) {
        correlate_channels<2>(taps, p, sums, c, end);
      }
      if (left == 1) {
        correlate_channels<1>(taps, p, sums, c, end);
      }
    }
  }
}

// The sums over rows [begin, end).   -> [KH, KW, C]
std::vector<double> correlate_rows(const Walk& walk, int64_t begin, int64_t end, const Tensor& x,
                                   const Tensor& dy, int64_t weights) {
  std::vector<double> total(static_cast<size_t>(weights));
  std::vector<float> sums(total.size());
  std::vector<Tap> taps;
  const int64_t row = walk.out_columns * walk.C;
  int64_t pixels = 0;
  for (int64_t m = begin; m < end; ++m) {
    correlate_row(walk, m, x.data<float>(), dy.data<float>() + m * row, sums.data(), taps);
    pixels += walk.out_columns;
    if (pixels >= kSumRows || m + 1 == end) {
      std::transform(sums.begin(), sums.end(), total.begin(), total.begin(),
                     [](float a, double b) { return double{a} + b; });
      std::fill(sums.begin(), sums.end(), 0.0f);
      pixels = 0;
    }
  }
  return total;
}

}  // namespace

void depthwise_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                               Tensor& dw) {
  const Walk walk = forward_walk({x.shape(), dw.shape(), dy.shape(), spec});
  const int64_t row = walk.out_columns * walk.C, rows = dy.numel() / row;
  const int64_t threads = row_threads(rows, row), C = walk.C, K = dw.numel() / C;
  std::vector<std::vector<double>> parts(static_cast<size_t>(threads));
  parallel_for(threads, 1, [&](int64_t t, int64_t last) {
    for (; t < last; ++t) {
      const auto [begin, end] = row_share(rows, t, threads);
      parts[static_cast<size_t>(t)] = correlate_rows(walk, begin, end, x, dy, dw.numel());
    }
  });
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t k = 0; k < K; ++k) {
      double sum = 0;
      for (const std::vector<double>& part : parts) {
        sum += part[static_cast<size_t>(k * C + c)];
      }
      dw.data<float>()[c * K + k] = static_cast<float>(sum);
    }
  }
}

}  // namespace mld::cpu
