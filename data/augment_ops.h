// Single augmentation operations on pictures, bit for bit as Pillow 9.4 and the libraries on top of
// it compute them. Each is a pure function; random parameters are drawn in data/augment.h.
#pragma once

#include <optional>
#include <string_view>

#include "data/affine.h"

namespace mld {

// Pillow's ImageEnhance: blends towards (factor < 1) or away from (> 1) a grey, mean-grey, black or
// smoothed version of the picture. Factor 1 changes nothing, 0 gives that version.
Image adjust_color(Image image, double factor);
Image adjust_contrast(Image image, double factor);
Image adjust_brightness(Image image, double factor);
Image adjust_sharpness(Image image, double factor);

// Each channel stretched to 0..255; a constant channel is left as it is.
Image auto_contrast(Image image);
// Each channel's histogram flattened (Pillow's integer recipe).
Image equalize(Image image);
Image invert(Image image);
// Keeps the top `bits` of each value, 0 to 8.
Image posterize(Image image, int bits);
// Inverts values at or above a real threshold.
Image solarize(Image image, double threshold);
// Adds to values below the threshold, saturating at 255 (timm).
Image solarize_add(Image image, int add, int threshold = 128);

// Sheared or shifted: output pixel (x, y) shows input (x + factor y, y), (x, y + factor x) or
// (x + pixels, y), (x, y + pixels).
Image shear_x(const Image& image, double factor, Interpolation interpolation, Rgb fill);
Image shear_y(const Image& image, double factor, Interpolation interpolation, Rgb fill);
Image translate_x(const Image& image, double pixels, Interpolation interpolation, Rgb fill);
Image translate_y(const Image& image, double pixels, Interpolation interpolation, Rgb fill);

// CutoutPIL of ML_Decoder's helper_functions.py: a rectangle of `factor` times the sides around
// (x_center, y_center), both edges included. That code calls the width h and the height w, so the
// rectangle is factor * height wide and factor * width high; for square pictures it is the same.
Image cutout(Image image, double factor, int x_center, int y_center, Rgb fill);

// The 15 operations of the `randaugment` package 1.0.2, in its order.
enum class RandAugmentOp {
  shear_x, shear_y, translate_x, translate_y, rotate, color, posterize, solarize, contrast,
  sharpness, brightness, auto_contrast, equalize, invert, cutout,
};
inline constexpr int kRandAugmentOps = 15;

// "ShearX", "ShearY", "TranslateX", ...: the package's spelling, capitalised.
std::string_view name_of(RandAugmentOp op);
std::optional<RandAugmentOp> randaugment_op_named(std::string_view name);

// The package's value at magnitude index 1 to 9: a factor, an angle, a number of bits, a threshold,
// pixels; 0 for operations without one.
double randaugment_value(RandAugmentOp op, int magnitude);
// Whether the operation draws a sign. Rotate does not: it always turns counter-clockwise.
bool has_sign(RandAugmentOp op);

struct Point {
  int x = 0, y = 0;
};

// One operation with an explicit value. sign is +1 or -1, ignored where has_sign() is false; only
// cutout uses cutout_center.
Image randaugment_op(const Image& image, RandAugmentOp op, double value, int sign,
                     Point cutout_center = {});

// A timm operation (auto_augment.py of mrT23's fork) by its function's name: rotate (degrees),
// shear_x, shear_y (factor), translate_x_rel, translate_y_rel (fraction of the side), posterize
// (bits), solarize (threshold), solarize_add (add), color, contrast, brightness, sharpness
// (factor), auto_contrast, equalize, invert (argument ignored). Only the first five use
// interpolation and fill. Errors: an unknown name.
inline constexpr Rgb kTimmFill = {124, 116, 104};
Image timm_op(const Image& image, std::string_view name, double argument,
              Interpolation interpolation = Interpolation::bicubic, Rgb fill = kTimmFill);

}  // namespace mld
