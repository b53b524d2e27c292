// timm's RandAugment (arXiv 1909.13719; auto_augment.py of mrT23's fork), increasing severity, and
// random erasing (arXiv 1708.04896).
#include <algorithm>
#include <cmath>

#include "data/augment.h"

namespace mld {
namespace {

double signed_by_coin(double value, RandomStream& random) {
  return random.coin() ? -value : value;
}

// Each gives an operation's argument at a magnitude from 0 to 10.
double none(double, RandomStream&) { return 0; }
double angle(double m, RandomStream& random) { return signed_by_coin(m / 10 * 30, random); }
double bits(double m, RandomStream&) { return 4 - static_cast<int>(m / 10 * 4); }
double threshold(double m, RandomStream&) { return 256 - static_cast<int>(m / 10 * 256); }
double added(double m, RandomStream&) { return std::min(128, static_cast<int>(m / 10 * 110)); }
double factor(double m, RandomStream& random) {
  return std::max(0.1, 1 + signed_by_coin(m / 10 * 0.9, random));
}
double shear(double m, RandomStream& random) { return signed_by_coin(m / 10 * 0.3, random); }
double shift(double m, RandomStream& random) { return signed_by_coin(m / 10 * 0.45, random); }

struct Operation {
  std::string_view name;
  double (*argument)(double magnitude, RandomStream& random);
};
constexpr Operation kOperations[] = {
    {"auto_contrast", none}, {"equalize", none},         {"invert", none},
    {"rotate", angle},       {"posterize", bits},        {"solarize", threshold},
    {"solarize_add", added}, {"color", factor},          {"contrast", factor},
    {"brightness", factor},  {"sharpness", factor},      {"shear_x", shear},
    {"shear_y", shear},      {"translate_x_rel", shift}, {"translate_y_rel", shift},
};

}  // namespace

std::vector<TimmStep> draw_timm_randaugment(RandomStream& random) {
  constexpr double kMagnitude = 7, kDeviation = 0.5, kLargest = 10;
  constexpr int kSteps = 2;
  std::vector<TimmStep> steps;
  for (int i = 0; i < kSteps; ++i) {
    const Operation& op = kOperations[random.below(static_cast<int>(std::size(kOperations)))];
    const bool kept = random.coin();
    const double m = std::clamp(kMagnitude + kDeviation * random.normal(), 0.0, kLargest);
    const double argument = op.argument(m, random);
    if (kept) {
      steps.push_back({op.name, argument});
    }
  }
  return steps;
}

Image random_timm_randaugment(Image image, Interpolation interpolation, RandomStream& random) {
  for (const TimmStep& step : draw_timm_randaugment(random)) {
    image = timm_op(image, step.op, step.argument, interpolation);
  }
  return image;
}

CropBox random_erased_box(int width, int height, RandomStream& random) {
  constexpr double kLeast = 0.02, kMost = 1.0 / 3, kNarrow = 0.3;
  const double area = static_cast<double>(width) * height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(kLeast, kMost);
    const double ratio = std::exp(random.uniform(std::log(kNarrow), -std::log(kNarrow)));
    const int h = static_cast<int>(std::nearbyint(std::sqrt(target * ratio)));
    const int w = static_cast<int>(std::nearbyint(std::sqrt(target / ratio)));
    if (w < width && h < height) {
      const int y = random.below(height - h + 1);
      return {.x = random.below(width - w + 1), .y = y, .width = w, .height = h};
    }
  }
  return {};
}

Image random_erasing(Image image, double probability, Erasing mode, const ImageNormSpec& norm,
                     RandomStream& random) {
  const auto draw = [&] {
    Rgb colour;
    for (size_t c = 0; c < colour.size(); ++c) {
      const double normalised = mode == Erasing::colour ? 0 : random.normal();
      const double value = std::nearbyint(255 * (norm.mean[c] + norm.std[c] * normalised));
      colour[c] = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
    }
    return colour;
  };
  if (random.coin(probability)) {
    const CropBox box = random_erased_box(image.width, image.height, random);
    Rgb colour = draw();
    for (int y = box.y; y < box.y + box.height; ++y) {
      for (int x = box.x; x < box.x + box.width; ++x) {
        std::copy_n(colour.data(), 3, image.pixel(x, y));
        colour = mode == Erasing::pixel ? draw() : colour;
      }
    }
  }
  return image;
}

}  // namespace mld
