// Operations on pixel values, and cutout: Pillow's ImageOps, ImageEnhance, ImageDraw.
#include "data/augment_ops.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace mld {
namespace {

using Table = std::array<uint8_t, 256>;  // the new value of each value
using Histogram = std::array<int64_t, 256>;

Image look_up(Image image, const Table& table) {
  for (uint8_t& value : image.rgb) {
    value = table[value];
  }
  return image;
}

Image look_up(Image image, const std::array<Table, 3>& tables) {
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    image.rgb[i] = tables[i % 3][image.rgb[i]];
  }
  return image;
}

template <class Value>  // Value(int) -> anything that fits into a byte
Table table_of(Value value) {
  Table table;
  for (int i = 0; i < 256; ++i) {
    table[static_cast<size_t>(i)] = static_cast<uint8_t>(value(i));
  }
  return table;
}

std::array<Histogram, 3> histograms(const Image& image) {
  std::array<Histogram, 3> counts{};
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    ++counts[i % 3][image.rgb[i]];
  }
  return counts;
}

// Pillow's Image.blend(plain, image, factor): float32, truncated. `plain(i)` is the plain picture's
// value at byte i.
template <class Plain>
Image blend(Image image, double factor, Plain plain) {
  const float f = static_cast<float>(factor);
  if (f == 1.0F) {
    return image;
  }
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    const int from = plain(i), to = image.rgb[i];
    const float mixed = static_cast<float>(from) + f * static_cast<float>(to - from);
    image.rgb[i] = static_cast<uint8_t>(std::clamp(mixed, 0.0F, 255.0F));  // beyond [0, 1] only
  }
  return image;
}

// Pillow's SMOOTH filter: a 3 x 3 mean with weight 5 in the middle, rounded; the border is kept.
Image smoothed(const Image& image) {
  Image out = image;
  const size_t stride = static_cast<size_t>(image.width) * 3;
  for (int y = 1; y + 1 < image.height; ++y) {
    const uint8_t* row = image.pixel(0, y);
    uint8_t* to = out.pixel(0, y);
    for (size_t i = 3; i + 3 < stride; ++i) {
      const uint8_t *above = row + i - stride, *here = row + i, *below = row + i + stride;
      const int sum = above[-3] + above[0] + above[3] + here[-3] + 5 * here[0] + here[3] +
                      below[-3] + below[0] + below[3];
      // int(sum / 13 + 0.5); ties cannot occur, so integers agree with Pillow's float32.
      to[i] = static_cast<uint8_t>((2 * sum + 13) / 26);
    }
  }
  return out;
}

Table stretched(const Histogram& histogram) {
  const auto present = [](int64_t count) { return count != 0; };
  const auto first = std::find_if(histogram.begin(), histogram.end(), present);
  const auto last = std::find_if(histogram.rbegin(), histogram.rend(), present);
  const int low = static_cast<int>(first - histogram.begin());
  const int high = static_cast<int>(histogram.rend() - last) - 1;
  if (high <= low) {
    return table_of([](int i) { return i; });
  }
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return table_of([&](int i) { return std::clamp(static_cast<int>(i * scale + offset), 0, 255); });
}

Table equalized(const Histogram& histogram) {
  const auto present = [](int64_t count) { return count != 0; };
  const auto last = std::find_if(histogram.rbegin(), histogram.rend(), present);
  const int64_t total = std::accumulate(histogram.begin(), histogram.end(), int64_t{0});
  // With a single level, total - last is 0, and so is the step.
  const int64_t step = last == histogram.rend() ? 0 : (total - *last) / 255;
  if (step == 0) {
    return table_of([](int i) { return i; });
  }
  int64_t n = step / 2;
  return table_of([&](int i) {
    const int64_t value = n / step;
    n += histogram[static_cast<size_t>(i)];
    return std::min<int64_t>(value, 255);
  });
}

}  // namespace

Image adjust_color(Image image, double factor) {
  const std::vector<uint8_t> grey = luma(image);
  return blend(std::move(image), factor, [&](size_t i) { return grey[i / 3]; });
}

Image adjust_contrast(Image image, double factor) {
  const std::vector<uint8_t> grey = luma(image);
  const int64_t sum = std::accumulate(grey.begin(), grey.end(), int64_t{0});
  const double mean = static_cast<double>(sum) / static_cast<double>(grey.size());
  const int level = static_cast<int>(mean + 0.5);
  return blend(std::move(image), factor, [&](size_t) { return level; });
}

Image adjust_brightness(Image image, double factor) {
  return blend(std::move(image), factor, [](size_t) { return 0; });
}

Image adjust_sharpness(Image image, double factor) {
  const Image smooth = smoothed(image);
  return blend(std::move(image), factor, [&](size_t i) { return smooth.rgb[i]; });
}

Image auto_contrast(Image image) {
  const auto counts = histograms(image);
  return look_up(std::move(image), std::array{stretched(counts[0]), stretched(counts[1]),
                                              stretched(counts[2])});
}

Image equalize(Image image) {
  const auto counts = histograms(image);
  return look_up(std::move(image), std::array{equalized(counts[0]), equalized(counts[1]),
                                              equalized(counts[2])});
}

Image invert(Image image) {
  return look_up(std::move(image), table_of([](int i) { return 255 - i; }));
}

Image posterize(Image image, int bits) {
  require(bits >= 0 && bits <= 8, "posterize: {} bits, expected 0 to 8", bits);
  const int mask = ~((1 << (8 - bits)) - 1);
  return look_up(std::move(image), table_of([&](int i) { return i & mask; }));
}

Image solarize(Image image, double threshold) {
  return look_up(std::move(image), table_of([&](int i) { return i < threshold ? i : 255 - i; }));
}

Image solarize_add(Image image, int add, int threshold) {
  return look_up(std::move(image),
                 table_of([&](int i) { return i < threshold ? std::clamp(i + add, 0, 255) : i; }));
}

Image shear_x(const Image& image, double factor, Interpolation interpolation, Rgb fill) {
  return affine_transform(image, {.b = factor}, interpolation, fill);
}

Image shear_y(const Image& image, double factor, Interpolation interpolation, Rgb fill) {
  return affine_transform(image, {.d = factor}, interpolation, fill);
}

Image translate_x(const Image& image, double pixels, Interpolation interpolation, Rgb fill) {
  return affine_transform(image, {.c = pixels}, interpolation, fill);
}

Image translate_y(const Image& image, double pixels, Interpolation interpolation, Rgb fill) {
  return affine_transform(image, {.f = pixels}, interpolation, fill);
}

Image cutout(Image image, double factor, int x_center, int y_center, Rgb fill) {
  const int high = static_cast<int>(factor * image.width + 0.5);
  const int wide = static_cast<int>(factor * image.height + 0.5);
  // Each coordinate is clipped to the other side's length, as in the original; then to the picture.
  const int left = std::clamp(x_center - wide / 2, 0, image.height);
  const int right = std::min(std::clamp(x_center + wide / 2, 0, image.height), image.width - 1);
  const int top = std::clamp(y_center - high / 2, 0, image.width);
  const int bottom = std::min(std::clamp(y_center + high / 2, 0, image.width), image.height - 1);
  for (int y = top; y <= bottom; ++y) {
    for (int x = left; x <= right; ++x) {
      std::copy_n(fill.data(), 3, image.pixel(x, y));
    }
  }
  return image;
}

}  // namespace mld
