#include "data/affine.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numbers>

namespace mld {
namespace {

Image filled(int width, int height, Rgb fill) {
  Image out(width, height);
  for (size_t i = 0; i < out.rgb.size(); i += 3) {
    std::copy_n(fill.data(), 3, &out.rgb[i]);
  }
  return out;
}

int floor_to_int(double v) { return static_cast<int>(std::floor(v)); }

// Scale and shift only: the indices of each axis are accumulated in double.
Image nearest_axis_aligned(const Image& image, const Affine& map, Rgb fill) {
  const auto indices = [](double start, double step, int outputs, int inputs) {
    std::vector<int> from(static_cast<size_t>(outputs));
    for (int& index : from) {
      index = start < 0.0 || start >= inputs ? -1 : static_cast<int>(start);
      start += step;
    }
    return from;
  };
  const std::vector<int> xs = indices(map.c + map.a * 0.5, map.a, image.width, image.width);
  const std::vector<int> ys = indices(map.f + map.e * 0.5, map.e, image.height, image.height);
  Image out = filled(image.width, image.height, fill);
  uint8_t* to = out.rgb.data();
  for (const int y : ys) {
    for (const int x : xs) {
      if (x >= 0 && y >= 0) {
        std::memcpy(to, image.pixel(x, y), 3);
      }
      to += 3;
    }
  }
  return out;
}

// Steps through the input in 16.16 fixed point (as Pillow does below 32768 pixels a side).
Image nearest_fixed(const Image& image, const Affine& map, Rgb fill) {
  const auto fixed = [](double v) { return static_cast<int64_t>(std::floor(v * 65536.0 + 0.5)); };
  const int64_t a = fixed(map.a), b = fixed(map.b), d = fixed(map.d), e = fixed(map.e);
  int64_t row_x = fixed(map.c + map.a * 0.5 + map.b * 0.5);
  int64_t row_y = fixed(map.f + map.d * 0.5 + map.e * 0.5);
  Image out = filled(image.width, image.height, fill);
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < image.height; ++y, row_x += b, row_y += e) {
    int64_t at_x = row_x, at_y = row_y;
    for (int x = 0; x < image.width; ++x, at_x += a, at_y += d, to += 3) {
      const int64_t from_x = at_x >> 16, from_y = at_y >> 16;
      if (from_x >= 0 && from_x < image.width && from_y >= 0 && from_y < image.height) {
        std::memcpy(to, image.pixel(static_cast<int>(from_x), static_cast<int>(from_y)), 3);
      }
    }
  }
  return out;
}

// The neighbourhood of one input position: columns (as offsets) and rows, clamped to the picture.
template <int kTaps>
struct Window {
  size_t columns[kTaps];
  const uint8_t* rows[kTaps];
  double dx, dy;

  Window(const Image& image, double x_in, double y_in) {
    const double x = x_in - 0.5, y = y_in - 0.5;
    const int x_floor = floor_to_int(x), y_floor = floor_to_int(y);
    dx = x - x_floor;
    dy = y - y_floor;
    constexpr int kBefore = kTaps / 2 - 1;
    for (int i = 0; i < kTaps; ++i) {
      const int column = x_floor - kBefore + i, row = y_floor - kBefore + i;
      columns[i] = static_cast<size_t>(std::clamp(column, 0, image.width - 1)) * 3;
      rows[i] = image.pixel(0, std::clamp(row, 0, image.height - 1));
    }
  }
};

struct Bilinear {
  static constexpr int kTaps = 2;
  static double mix(const double (&v)[2], double d) { return v[0] + (v[1] - v[0]) * d; }
  static uint8_t round(double v) { return static_cast<uint8_t>(v); }
};

struct Bicubic {
  static constexpr int kTaps = 4;
  static double mix(const double (&v)[4], double d) {
    const double p1 = v[1], p2 = -v[0] + v[2], p3 = 2 * (v[0] - v[1]) + v[2] - v[3];
    const double p4 = -v[0] + v[1] - v[2] + v[3];
    return p1 + d * (p2 + d * (p3 + d * p4));
  }
  static uint8_t round(double v) { return static_cast<uint8_t>(std::clamp(v, 0.0, 255.0)); }
};

// One pixel: each row of the window is interpolated along x, the results along y. At d = 0 the
// result is exactly the middle value, so a shear, which moves along one axis only, needs one
// interpolation in five.
template <class Filter>
void sample(const Image& image, double x_in, double y_in, uint8_t* to) {
  constexpr int kTaps = Filter::kTaps, kMiddle = kTaps / 2 - 1;
  const Window<kTaps> window(image, x_in, y_in);
  for (size_t c = 0; c < 3; ++c) {
    const auto along_x = [&](int row) {
      const uint8_t* from = window.rows[row] + c;
      if (window.dx == 0.0) {
        return static_cast<double>(from[window.columns[kMiddle]]);
      }
      double v[kTaps];
      for (int i = 0; i < kTaps; ++i) {
        v[i] = from[window.columns[i]];
      }
      return Filter::mix(v, window.dx);
    };
    if (window.dy == 0.0) {
      to[c] = Filter::round(along_x(kMiddle));
      continue;
    }
    double v[kTaps];
    for (int i = 0; i < kTaps; ++i) {
      v[i] = along_x(i);
    }
    to[c] = Filter::round(Filter::mix(v, window.dy));
  }
}

template <class Filter>
Image interpolated(const Image& image, const Affine& map, Rgb fill) {
  Image out = filled(image.width, image.height, fill);
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x, to += 3) {
      const double x_out = x + 0.5, y_out = y + 0.5;
      const double x_in = map.a * x_out + map.b * y_out + map.c;
      const double y_in = map.d * x_out + map.e * y_out + map.f;
      if (x_in >= 0.0 && x_in < image.width && y_in >= 0.0 && y_in < image.height) {
        sample<Filter>(image, x_in, y_in, to);
      }
    }
  }
  return out;
}

// v rounded to 15 decimals, correctly, as Python's round(v, 15).
double round_15(double v) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, 15).ptr;
  std::from_chars(text, end, v);
  return v;
}

// Pixel (x, y) of the result is `from(x, y)`, a permutation.
template <class From>
Image rearranged(const Image& image, From from) {
  Image out(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      std::memcpy(out.pixel(x, y), from(x, y), 3);
    }
  }
  return out;
}

}  // namespace

Image affine_transform(const Image& image, const Affine& map, Interpolation interpolation,
                       Rgb fill) {
  switch (interpolation) {
    case Interpolation::bilinear: return interpolated<Bilinear>(image, map, fill);
    case Interpolation::bicubic: return interpolated<Bicubic>(image, map, fill);
    case Interpolation::nearest: break;
  }
  return map.b == 0 && map.d == 0 ? nearest_axis_aligned(image, map, fill)
                                  : nearest_fixed(image, map, fill);
}

Image rotate(const Image& image, double degrees, Interpolation interpolation, Rgb fill) {
  degrees = std::fmod(degrees, 360.0);
  degrees += degrees < 0 ? 360.0 : 0.0;
  const int W = image.width, H = image.height;
  if (degrees == 0.0) {
    return image;
  }
  if (degrees == 180.0) {
    return rearranged(image, [&](int x, int y) { return image.pixel(W - 1 - x, H - 1 - y); });
  }
  if (W == H && degrees == 90.0) {
    return rearranged(image, [&](int x, int y) { return image.pixel(W - 1 - y, x); });
  }
  if (W == H && degrees == 270.0) {
    return rearranged(image, [&](int x, int y) { return image.pixel(y, H - 1 - x); });
  }
  const double angle = -(degrees * (std::numbers::pi / 180.0));
  Affine map{.a = round_15(std::cos(angle)), .b = round_15(std::sin(angle)),
             .d = round_15(-std::sin(angle)), .e = round_15(std::cos(angle))};
  const double x = W / 2.0, y = H / 2.0;  // the centre stays
  map.c = map.a * -x + map.b * -y + 0.0 + x;
  map.f = map.d * -x + map.e * -y + 0.0 + y;
  return affine_transform(image, map, interpolation, fill);
}

}  // namespace mld
