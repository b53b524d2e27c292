#include "app/attention_map.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace mld {

Rgb heat_colour(double v) {
  constexpr std::array<std::array<double, 3>, 7> kTerms{{
      {0.2777273272234177, 0.005407344544966578, 0.3340998053353061},
      {0.1050930431085774, 1.404613529898575, 1.384590162594685},
      {-0.3308618287255563, 0.214847559468213, 0.09509516302823659},
      {-4.634230498983486, -5.799100973351585, -19.33244095627987},
      {6.228269936347081, 14.17993336680509, 56.69055260068105},
      {4.776384997670288, -13.74514537774601, -65.35303263337234},
      {-5.435455855934631, 4.645852612178535, 26.3124352495832},
  }};
  Rgb colour{};
  for (size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (size_t power = kTerms.size(); power-- > 0;) {
      sum = sum * std::clamp(v, 0.0, 1.0) + kTerms[power][c];
    }
    colour[c] = static_cast<uint8_t>(std::lround(255 * std::clamp(sum, 0.0, 1.0)));
  }
  return colour;
}

static double largest(const Tensor& map) {
  return static_cast<double>(*std::max_element(map.data<float>(), map.data<float>() + map.numel()));
}

double peak_of(const Tensor& map) { return largest(map) * static_cast<double>(map.numel()); }

namespace {

// Where a pixel lies among the cells along one axis: between the middles of two of them.
struct Between {
  int64_t low = 0, high = 0;
  double part = 0;  // of `high`
  bool seen = false;
};

// For each of `pixels` along a picture's side, of which [from, from + share] is the cells'.
std::vector<Between> places(int pixels, double from, double share, int64_t cells) {
  std::vector<Between> all;
  for (int i = 0; i < pixels; ++i) {
    const double at = ((i + 0.5) / pixels - from) / share;
    const double cell = std::clamp(at * static_cast<double>(cells) - 0.5, 0.0,
                                   static_cast<double>(cells - 1));
    const auto low = static_cast<int64_t>(cell);
    all.push_back({.low = low, .high = std::min(low + 1, cells - 1),
                   .part = cell - static_cast<double>(low), .seen = 0 <= at && at <= 1});
  }
  return all;
}

}  // namespace

Image attention_overlay(const Image& picture, const Tensor& map, const SeenPart& seen,
                        double opacity) {
  constexpr double kUnseen = 0.4;  // brightness of what the model did not see
  const int64_t rows = map.shape()[0], columns = map.shape()[1];
  const std::vector<Between> across = places(picture.width, seen.x, seen.width, columns);
  const std::vector<Between> down = places(picture.height, seen.y, seen.height, rows);
  const std::vector<uint8_t> grey = luma(picture);
  const double top = largest(map);
  Image out(picture.width, picture.height);
  for (size_t i = 0; i < grey.size(); ++i) {
    const Between &x = across[i % across.size()], &y = down[i / across.size()];
    const auto at = [&](int64_t row, int64_t column) {
      return static_cast<double>(map.data<float>()[row * columns + column]);
    };
    const auto in_row = [&](int64_t row) {
      return std::lerp(at(row, x.low), at(row, x.high), x.part);
    };
    const bool shown = x.seen && y.seen;
    const Rgb colour = heat_colour(std::lerp(in_row(y.low), in_row(y.high), y.part) / top);
    for (size_t c = 0; c < 3; ++c) {
      const double light = grey[i];
      const double value = shown ? std::lerp(light, static_cast<double>(colour[c]), opacity)
                                 : kUnseen * light;
      out.rgb[3 * i + c] = static_cast<uint8_t>(std::lround(value));
    }
  }
  return out;
}

}  // namespace mld
