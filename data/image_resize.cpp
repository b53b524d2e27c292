// Pillow 9.4's resampling (libImaging/Resample.c), the same integers: each output pixel is a
// weighted mean of the input pixels under the scaled filter, weights rounded to 22 bits, first
// along rows, then along columns, each pass rounding to 8 bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "core/error.h"
#include "data/image_ops.h"

namespace mld {
namespace {

constexpr int kPrecisionBits = 22;  // 32 - 8 bits of pixel - 2 for overshoot
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic(double x) {  // Keys' kernel with a = -0.5
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) {
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  }
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

// Output i of one axis is the sum over k < count of weights[k] * input[first + k].
struct Taps {
  size_t first = 0;
  int count = 0;
  const int32_t* weights = nullptr;
};

// The taps of every output along one axis.
struct Axis {
  std::vector<Taps> taps;
  std::vector<int32_t> weights;
};

// The real weights of one output, normalised; returns how many. `first` is the first input.
int real_weights(int in, double center, double filter_scale, Interpolation interpolation,
                 int& first, std::vector<double>& weights) {
  const bool cubic = interpolation == Interpolation::bicubic;
  const double support = (cubic ? 2.0 : 1.0) * filter_scale, inverse = 1.0 / filter_scale;
  first = std::max(static_cast<int>(center - support + 0.5), 0);
  const int count = std::min(static_cast<int>(center + support + 0.5), in) - first;
  weights.resize(static_cast<size_t>(count));
  double sum = 0;
  double at = first;
  for (double& w : weights) {
    const double x = (at - center + 0.5) * inverse;
    w = cubic ? bicubic(x) : bilinear(x);
    sum += w;
    at += 1;
  }
  for (double& w : weights) {
    w /= sum;
  }
  return count;
}

// The outputs [begin, begin + count) of `out`.
struct Outputs {
  int out = 0, begin = 0, count = 0;
};

Axis make_axis(int in, const Outputs& outputs, Interpolation interpolation) {
  const int out = outputs.out;
  const double scale = static_cast<double>(in) / out, filter_scale = std::max(scale, 1.0);
  Axis axis;
  std::vector<double> real;
  for (int i = outputs.begin; i < outputs.begin + outputs.count; ++i) {
    int first = 0;
    const int count =
        real_weights(in, (i + 0.5) * scale, filter_scale, interpolation, first, real);
    axis.taps.push_back({.first = static_cast<size_t>(first), .count = count});
    for (const double w : real) {
      axis.weights.push_back(
          static_cast<int32_t>(w * (1 << kPrecisionBits) + (w < 0 ? -0.5 : 0.5)));
    }
  }
  const int32_t* weights = axis.weights.data();
  for (Taps& taps : axis.taps) {  // only now are the weights' addresses final
    taps.weights = weights;
    weights += taps.count;
  }
  return axis;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// to[i] = the weighted sum over k of from[k * stride + i], for kWidth neighbours i at once: the
// compiler turns the inner loops into vectors.
template <int kWidth>
void weighted_sum(const uint8_t* from, size_t stride, const Taps& taps, uint8_t* to) {
  const int32_t* weights = taps.weights;
  int32_t sum[kWidth];
  for (int i = 0; i < kWidth; ++i) {
    sum[i] = kHalf;
  }
  for (int k = 0; k < taps.count; ++k, from += stride) {
    for (int i = 0; i < kWidth; ++i) {
      sum[i] += from[i] * weights[k];
    }
  }
  for (int i = 0; i < kWidth; ++i) {
    to[i] = rounded(sum[i]);
  }
}

using Bytes16 = uint8_t __attribute__((vector_size(16)));

// Transposes m, by interleaving the first half of the rows with the second four times.
void transpose(Bytes16 (&m)[16]) {
  for (int stage = 0; stage < 4; ++stage) {
    Bytes16 n[16];
    for (int i = 0; i < 8; ++i) {
      n[2 * i] = __builtin_shufflevector(m[i], m[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                         6, 22, 7, 23);
      n[2 * i + 1] = __builtin_shufflevector(m[i], m[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                             13, 29, 14, 30, 15, 31);
    }
    std::copy_n(n, 16, m);
  }
}

// 16 bytes from each of up to 16 rows; missing rows are zero. Never reads beyond a row.
struct RowBlock {
  uint8_t* first;  // the first row
  size_t stride;   // bytes of a row
  int rows;

  void read(size_t at, Bytes16 (&m)[16]) const {
    for (int r = 0; r < 16; ++r) {
      m[r] = Bytes16{};
      if (r < rows) {
        copy(&m[r], first + static_cast<size_t>(r) * stride + at, at);
      }
    }
  }
  void write(size_t at, const Bytes16 (&m)[16]) const {
    for (int r = 0; r < rows; ++r) {
      copy(first + static_cast<size_t>(r) * stride + at, &m[r], at);
    }
  }

 private:
  void copy(void* to, const void* from, size_t at) const {
    if (at + 16 <= stride) {
      std::memcpy(to, from, 16);
    } else {
      std::memcpy(to, from, stride - at);
    }
  }
};

// Resamples `rows_wanted` rows from `first_row` on. Each output pixel has its own taps, so
// neighbours in a row cannot share a vector; the same pixel of 16 rows can. So 16 rows are
// transposed, summed, and transposed back.
Image horizontal_pass(const Image& image, const Axis& axis, int first_row, int rows_wanted) {
  const int out_width = static_cast<int>(axis.taps.size());
  Image out(out_width, rows_wanted);
  const size_t stride = static_cast<size_t>(image.width) * 3;
  const size_t out_stride = static_cast<size_t>(out_width) * 3;
  std::vector<Bytes16> columns(stride + 15), out_columns(out_stride + 15);
  Bytes16 m[16];
  for (int y = 0; y < rows_wanted; y += 16) {
    const int rows = std::min(16, rows_wanted - y);
    const RowBlock from{const_cast<uint8_t*>(image.pixel(0, first_row + y)), stride, rows};
    const RowBlock to{out.pixel(0, y), out_stride, rows};
    for (size_t i = 0; i < stride; i += 16) {
      from.read(i, m);
      transpose(m);
      std::copy_n(m, 16, &columns[i]);
    }
    auto* sums = reinterpret_cast<uint8_t*>(out_columns.data());
    for (const Taps& taps : axis.taps) {
      weighted_sum<48>(reinterpret_cast<const uint8_t*>(&columns[taps.first * 3]), 48, taps, sums);
      sums += 48;
    }
    for (size_t i = 0; i < out_stride; i += 16) {
      std::copy_n(&out_columns[i], 16, m);
      transpose(m);
      to.write(i, m);
    }
  }
  return out;
}

// Writes one output row per element of `rows` to `to`; `image` has the input from `first_row` on.
void vertical_pass(const Image& image, size_t first_row, std::span<const Taps> rows, uint8_t* to) {
  const size_t stride = static_cast<size_t>(image.width) * 3;
  for (const Taps& taps : rows) {
    const uint8_t* from = &image.rgb[(taps.first - first_row) * stride];
    size_t i = 0;
    for (; i + 64 <= stride; i += 64) {
      weighted_sum<64>(from + i, stride, taps, to + i);
    }
    for (; i < stride; ++i) {
      weighted_sum<1>(from + i, stride, taps, to + i);
    }
    to += stride;
  }
}

// Both passes, a band of rows at a time, so that a tall picture is never widened as a whole.
Image both_passes(const Image& image, const Axis& across, const Axis& down) {
  constexpr size_t kBandBytes = size_t{1} << 20;
  Image out(static_cast<int>(across.taps.size()), static_cast<int>(down.taps.size()));
  const size_t most_rows = kBandBytes / (across.taps.size() * 3);
  const std::span<const Taps> rows = down.taps;
  for (size_t begin = 0; begin < rows.size();) {
    const size_t first = rows[begin].first;
    const auto last = [&](size_t i) { return rows[i].first + static_cast<size_t>(rows[i].count); };
    size_t end = begin + 1;
    while (end < rows.size() && last(end) - first <= most_rows) {
      ++end;
    }
    const Image band = horizontal_pass(image, across, static_cast<int>(first),
                                       static_cast<int>(last(end - 1) - first));
    vertical_pass(band, first, rows.subspan(begin, end - begin),
                  out.pixel(0, static_cast<int>(begin)));
    begin = end;
  }
  return out;
}

// The input index of each output: int(v), v from scale / 2, accumulated as Pillow does, so the sum
// must also run over the outputs before the first that is wanted.
std::vector<int> nearest_indices(int in, const Outputs& outputs) {
  const double scale = static_cast<double>(in) / outputs.out;
  std::vector<int> indices;
  double v = scale * 0.5;
  for (int i = 0; i < outputs.begin + outputs.count; ++i, v += scale) {
    if (i >= outputs.begin) {  // rounding never exceeds in - 1; for memory safety
      indices.push_back(std::min(static_cast<int>(v), in - 1));
    }
  }
  return indices;
}

Image resize_nearest(const Image& image, const Outputs& columns, const Outputs& rows) {
  const std::vector<int> xs = nearest_indices(image.width, columns);
  Image out(columns.count, rows.count);
  uint8_t* to = out.rgb.data();
  for (const int y : nearest_indices(image.height, rows)) {
    for (const int x : xs) {
      std::memcpy(to, image.pixel(x, y), 3);
      to += 3;
    }
  }
  return out;
}

}  // namespace

Image resize(const Image& image, int width, int height, Interpolation interpolation,
             const CropBox& box) {
  require(image.width > 0 && image.height > 0, "resize: the picture is empty");
  require(width > 0 && height > 0, "resize: {} x {} is not a size", width, height);
  require(box.width > 0 && box.height > 0 && box.x >= 0 && box.y >= 0 &&
              box.width <= width - box.x && box.height <= height - box.y,
          "resize: a box of {} x {} at {}, {} is not inside {} x {}", box.width, box.height, box.x,
          box.y, width, height);
  const Outputs columns{width, box.x, box.width}, rows{height, box.y, box.height};
  if (interpolation == Interpolation::nearest) {
    return resize_nearest(image, columns, rows);
  }
  const bool same_width = image.width == width, same_height = image.height == height;
  if (same_width && same_height) {
    return crop(image, box);
  }
  if (same_height) {
    return horizontal_pass(image, make_axis(image.width, columns, interpolation), box.y,
                           box.height);
  }
  const Axis down = make_axis(image.height, rows, interpolation);
  if (same_width) {
    Image out(box.width, box.height);
    if (box.width == width) {
      vertical_pass(image, 0, down.taps, out.rgb.data());
    } else {
      vertical_pass(crop(image, {.x = box.x, .width = box.width, .height = image.height}), 0,
                    down.taps, out.rgb.data());
    }
    return out;
  }
  return both_passes(image, make_axis(image.width, columns, interpolation), down);
}

Image resize(const Image& image, int width, int height, Interpolation interpolation) {
  return resize(image, width, height, interpolation, {.width = width, .height = height});
}

}  // namespace mld
