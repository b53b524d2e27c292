// Operations by name, as augmentation policies call them: the randaugment package's and timm's.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "data/augment_ops.h"

namespace mld {
namespace {

constexpr Rgb kGrey = {128, 128, 128};             // the package's fill
constexpr Rgb kCutoutColour = {125, 122, 113};     // the package's mean colour

constexpr std::array<std::string_view, kRandAugmentOps> kNames = {
    "ShearX",   "ShearY",    "TranslateX", "TranslateY",   "Rotate",   "Color",  "Posterize",
    "Solarize", "Contrast",  "Sharpness",  "Brightness",   "AutoContrast", "Equalize", "Invert",
    "Cutout"};

// The square [center - size / 2, center + size / 2), clipped.
Image cutout_square(Image image, int size, Point center) {
  const int half = size / 2;
  const int left = std::max(center.x - half, 0), right = std::min(center.x + half, image.width);
  const int top = std::max(center.y - half, 0), bottom = std::min(center.y + half, image.height);
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) {
      std::copy_n(kCutoutColour.data(), 3, image.pixel(x, y));
    }
  }
  return image;
}

}  // namespace

std::string_view name_of(RandAugmentOp op) { return kNames[static_cast<size_t>(op)]; }

std::optional<RandAugmentOp> randaugment_op_named(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end()
             ? std::nullopt
             : std::optional(static_cast<RandAugmentOp>(found - kNames.begin()));
}

double randaugment_value(RandAugmentOp op, int magnitude) {
  require(magnitude >= 1 && magnitude <= 9, "randaugment: magnitude {}, expected 1 to 9",
          magnitude);
  // numpy.linspace(first, last, 10)[magnitude], in NumPy's order: the step, then the product.
  const auto ramp = [&](double first, double last) {
    return magnitude == 9 ? last : magnitude * ((last - first) / 9) + first;
  };
  switch (op) {
    case RandAugmentOp::shear_x:
    case RandAugmentOp::shear_y: return ramp(0, 0.3);
    case RandAugmentOp::translate_x:
    case RandAugmentOp::translate_y: return ramp(0, 150.0 / 331);
    case RandAugmentOp::rotate: return ramp(0, 30);
    case RandAugmentOp::color:
    case RandAugmentOp::contrast:
    case RandAugmentOp::sharpness:
    case RandAugmentOp::brightness: return ramp(0, 0.9);
    case RandAugmentOp::posterize: return std::nearbyint(ramp(8, 4));  // half to even, as numpy
    case RandAugmentOp::solarize: return ramp(256, 0);
    case RandAugmentOp::cutout: return std::nearbyint(ramp(0, 20));
    case RandAugmentOp::auto_contrast:
    case RandAugmentOp::equalize:
    case RandAugmentOp::invert: break;
  }
  return 0;
}

bool has_sign(RandAugmentOp op) {
  switch (op) {
    case RandAugmentOp::shear_x:
    case RandAugmentOp::shear_y:
    case RandAugmentOp::translate_x:
    case RandAugmentOp::translate_y:
    case RandAugmentOp::color:
    case RandAugmentOp::contrast:
    case RandAugmentOp::sharpness:
    case RandAugmentOp::brightness: return true;
    default: return false;
  }
}

Image randaugment_op(const Image& image, RandAugmentOp op, double value, int sign,
                     Point cutout_center) {
  const double signed_value = sign < 0 ? -value : value;
  switch (op) {
    case RandAugmentOp::shear_x:
      return shear_x(image, signed_value, Interpolation::bicubic, kGrey);
    case RandAugmentOp::shear_y:
      return shear_y(image, signed_value, Interpolation::bicubic, kGrey);
    case RandAugmentOp::translate_x:
      return translate_x(image, signed_value * image.width, Interpolation::nearest, kGrey);
    case RandAugmentOp::translate_y:
      return translate_y(image, signed_value * image.height, Interpolation::nearest, kGrey);
    case RandAugmentOp::rotate: return rotate(image, value, Interpolation::nearest, kGrey);
    case RandAugmentOp::color: return adjust_color(image, 1 + signed_value);
    case RandAugmentOp::contrast: return adjust_contrast(image, 1 + signed_value);
    case RandAugmentOp::sharpness: return adjust_sharpness(image, 1 + signed_value);
    case RandAugmentOp::brightness: return adjust_brightness(image, 1 + signed_value);
    case RandAugmentOp::posterize: return posterize(image, static_cast<int>(value));
    case RandAugmentOp::solarize: return solarize(image, value);
    case RandAugmentOp::auto_contrast: return auto_contrast(image);
    case RandAugmentOp::equalize: return equalize(image);
    case RandAugmentOp::invert: return invert(image);
    case RandAugmentOp::cutout:
      return cutout_square(image, static_cast<int>(value), cutout_center);
  }
  fail("randaugment: no operation {}", static_cast<int>(op));
}

Image timm_op(const Image& image, std::string_view name, double argument,
              Interpolation interpolation, Rgb fill) {
  using Op = Image (*)(const Image&, double, Interpolation, Rgb);
  constexpr std::pair<std::string_view, Op> kOps[] = {
      {"rotate", rotate},
      {"shear_x", shear_x},
      {"shear_y", shear_y},
      {"translate_x_rel", [](const Image& x, double share, Interpolation i, Rgb f) {
         return translate_x(x, share * x.width, i, f); }},
      {"translate_y_rel", [](const Image& x, double share, Interpolation i, Rgb f) {
         return translate_y(x, share * x.height, i, f); }},
      {"posterize", [](const Image& x, double bits, Interpolation, Rgb) {
         return posterize(x, std::min(static_cast<int>(bits), 8)); }},
      {"solarize", [](const Image& x, double v, Interpolation, Rgb) { return solarize(x, v); }},
      {"solarize_add", [](const Image& x, double v, Interpolation, Rgb) {
         return solarize_add(x, static_cast<int>(v)); }},
      {"color", [](const Image& x, double v, Interpolation, Rgb) { return adjust_color(x, v); }},
      {"contrast", [](const Image& x, double v, Interpolation, Rgb) {
         return adjust_contrast(x, v); }},
      {"brightness", [](const Image& x, double v, Interpolation, Rgb) {
         return adjust_brightness(x, v); }},
      {"sharpness", [](const Image& x, double v, Interpolation, Rgb) {
         return adjust_sharpness(x, v); }},
      {"auto_contrast", [](const Image& x, double, Interpolation, Rgb) {
         return auto_contrast(x); }},
      {"equalize", [](const Image& x, double, Interpolation, Rgb) { return equalize(x); }},
      {"invert", [](const Image& x, double, Interpolation, Rgb) { return invert(x); }},
  };
  const auto* found = std::find_if(std::begin(kOps), std::end(kOps),
                                   [&](const auto& op) { return op.first == name; });
  require(found != std::end(kOps), "timm_op: no operation \"{}\"", name);
  return found->second(image, argument, interpolation, fill);
}

}  // namespace mld
