#include "app/attention_map.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

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

// Calls take(index, colour) for every pixel, row by row; no colour where nothing was seen.
void for_pixels(int width, int height, const Tensor& map, const SeenPart& seen, const auto& take) {
  const int64_t rows = map.shape()[0], columns = map.shape()[1];
  const std::vector<Between> across = places(width, seen.x, seen.width, columns);
  const std::vector<Between> down = places(height, seen.y, seen.height, rows);
  const double top = largest(map);
  size_t i = 0;
  for (const Between& y : down) {
    for (const Between& x : across) {
      const auto in_row = [&](int64_t row) {
        const float* weights = map.data<float>() + row * columns;
        return std::lerp(static_cast<double>(weights[x.low]),
                         static_cast<double>(weights[x.high]), x.part);
      };
      const bool shown = x.seen && y.seen;
      const double weight = shown ? std::lerp(in_row(y.low), in_row(y.high), y.part) : 0;
      take(i++, shown ? std::optional(heat_colour(weight / top)) : std::nullopt);
    }
  }
}

}  // namespace

Image attention_colours(int width, int height, const Tensor& map, const SeenPart& seen) {
  Image out(width, height);
  for_pixels(width, height, map, seen, [&](size_t i, const std::optional<Rgb>& colour) {
    if (colour) {
      std::ranges::copy(*colour, &out.rgb[3 * i]);
    }
  });
  return out;
}

Image attention_overlay(const Image& picture, const Tensor& map, const SeenPart& seen,
                        double opacity) {
  constexpr double kUnseen = 0.4;  // brightness of what the model did not see
  const std::vector<uint8_t> grey = luma(picture);
  Image out(picture.width, picture.height);
  for_pixels(picture.width, picture.height, map, seen,
             [&](size_t i, const std::optional<Rgb>& colour) {
    const double light = grey[i];
    for (size_t c = 0; c < 3; ++c) {
      const double value = colour ? std::lerp(light, static_cast<double>((*colour)[c]), opacity)
                                  : kUnseen * light;
      out.rgb[3 * i + c] = static_cast<uint8_t>(std::lround(value));
    }
  });
  return out;
}

}  // namespace mld
