// image/*: decoding, resizing and augmentation, bit for bit.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "core/error.h"
#include "core/kernels.h"
#include "data/augment_ops.h"
#include "tests/parity/fixture.h"

namespace mld::parity {
namespace {

Image image_of(Fixture& fixture, const std::string& key) {
  const std::vector<int64_t> shape = fixture.array(key).shape;
  require<DataError>(shape.size() == 3 && shape[2] == 3, "{}: {} is no [H, W, 3] picture",
                     fixture.name(), key);
  Image image(static_cast<int>(shape[1]), static_cast<int>(shape[0]));
  image.rgb = fixture.bytes(key);
  return image;
}

Array array_of(const Image& image) {
  return {{image.height, image.width, 3}, {image.rgb.begin(), image.rgb.end()}};
}

Interpolation interpolation(const std::string& name) {
  if (name == "nearest") return Interpolation::nearest;
  if (name == "bilinear") return Interpolation::bilinear;
  require<DataError>(name == "bicubic", "no interpolation \"{}\"", name);
  return Interpolation::bicubic;
}

Rgb rgb_of(const Json& config, const char* key) {
  const std::vector<int64_t> values = integers(config, key);
  require<DataError>(values.size() == 3, "\"{}\" is no colour", key);
  return {static_cast<uint8_t>(values[0]), static_cast<uint8_t>(values[1]),
          static_cast<uint8_t>(values[2])};
}

// float32 [3, H, W] in [0, 1], as the model's input is made.
Array to_unit_range(const Image& image) {
  Tensor pixels({1, image.height, image.width, 3}, DType::u8);
  std::copy(image.rgb.begin(), image.rgb.end(), pixels.data<uint8_t>());
  Tensor y(pixels.shape());
  KERNEL(Device{}, normalize_images)(pixels, ImageNormSpec{}, y);
  return reshape(to_array(y, kFromNhwc), {3, image.height, image.width});
}

// Reference tensors that no config entry describes; their names contain the arguments.
void compare_geometry(Fixture& fixture, const Image& base) {
  for (const std::string& key : fixture.keys()) {
    const auto size = [&](size_t axis) {
      return static_cast<int>(fixture.array(key).shape.at(axis));
    };
    int left, top, right, bottom;
    if (key.starts_with("center_crop")) {
      fixture.compare(key, array_of(center_crop(base, size(1), size(0))));
    } else if (key == "hflip") {
      fixture.compare(key, array_of(horizontal_flip(base)));
    } else if (std::sscanf(key.c_str(), "crop_%d_%d_%d_%d", &left, &top, &right, &bottom) == 4) {
      fixture.compare(key, array_of(crop(base, {left, top, right - left, bottom - top})));
    } else if (key == "crop_outside") {  // begins 5 pixels left of and 3 above the picture
      fixture.compare(key, array_of(crop(base, {-5, -3, size(1), size(0)})));
    } else if (key.starts_with("to_tensor")) {  // of the top left corner
      fixture.compare(key, to_unit_range(crop(base, {0, 0, size(2), size(1)})));
    } else if (key == "gray") {
      const std::vector<uint8_t> grey = luma(base);
      fixture.compare(key, {{base.height, base.width}, {grey.begin(), grey.end()}});
    }
  }
}

void run_resize(Fixture& fixture) {
  const Image base = image_of(fixture, "base");
  for (const Json* config : elements(fixture.config())) {
    const Interpolation filter = interpolation(text(*config, "filter", "bilinear"));
    Image ours;
    if (has(*config, "shorter_side")) {
      ours = resize_shorter_side(base, static_cast<int>(integer(*config, "shorter_side")), filter);
    } else {
      ours = resize(base, static_cast<int>(integer(*config, "width")),
                    static_cast<int>(integer(*config, "height")), filter);
    }
    if (has(*config, "center_crop")) {
      const int side = static_cast<int>(integer(*config, "center_crop"));
      ours = center_crop(ours, side, side);
    }
    fixture.compare(text(*config, "key"), array_of(ours));
  }
  compare_geometry(fixture, base);
}

void run_cutout(Fixture& fixture) {
  const Image base = image_of(fixture, "base");
  for (const Json* config : elements(fixture.config())) {
    const Image ours = cutout(base, number(*config, "factor", 0.5),
                              static_cast<int>(integer(*config, "x_c")),
                              static_cast<int>(integer(*config, "y_c")), rgb_of(*config, "fill"));
    fixture.compare(text(*config, "key"), array_of(ours));
  }
}

void run_randaugment(Fixture& fixture) {
  const Image base = image_of(fixture, "base");
  for (const Json* config : elements(fixture.config())) {
    const std::string key = text(*config, "key"), name = text(*config, "op");
    const std::optional<RandAugmentOp> op = randaugment_op_named(name);
    require<DataError>(op.has_value(), "{}: no operation \"{}\"", fixture.name(), name);
    const double value = number(*config, "value", 0);
    if (has(*config, "magnitude_index")) {
      const double ours =
          randaugment_value(*op, static_cast<int>(integer(*config, "magnitude_index")));
      fixture.record(key + ", its value", std::abs(ours - value) > 1e-12 ? 1 : 0, 0);
    }
    Point center;
    if (has(*config, "cutout_centre_xy")) {
      const std::vector<int64_t> at = integers(*config, "cutout_centre_xy");
      center = {static_cast<int>(at.at(0)), static_cast<int>(at.at(1))};
    }
    const int sign = static_cast<int>(integer(*config, "sign", 1));
    fixture.compare(key, array_of(randaugment_op(base, *op, value, sign, center)));
  }
}

// Keys are [flat/]<operation>[/<interpolation>][/<argument>]; the argument is also in the config,
// under a name that depends on the operation. flat/ works on the picture flat_in, the rest on base.
void run_timm_ops(Fixture& fixture) {
  const Image base = image_of(fixture, "base");
  const Image flat = fixture.has("flat_in") ? image_of(fixture, "flat_in") : Image();
  for (const Json* config : elements(fixture.config())) {
    const std::string key = text(*config, "key");
    const bool on_flat = key.starts_with("flat/");
    std::string name = on_flat ? key.substr(5) : key, rest;
    if (const size_t slash = name.find('/'); slash != std::string::npos) {
      rest = name.substr(slash + 1);
      name.resize(slash);
    }
    double argument = 0;
    for (const char* known : {"degrees", "factor", "pct", "bits", "threshold", "add"}) {
      argument = number(*config, known, argument);
    }
    Interpolation filter = Interpolation::bicubic;
    if (const size_t slash = rest.find('/'); slash != std::string::npos) {
      filter = interpolation(rest.substr(0, slash));
    }
    const Rgb fill = has(*config, "fill") ? rgb_of(*config, "fill") : kTimmFill;
    fixture.compare(key, array_of(timm_op(on_flat ? flat : base, name, argument, filter, fill)));
  }
}

// The limits of "png and ppm 0; jpeg mean 0.5, max 3 levels".
struct JpegLimits {
  double mean = 0.5, max = 3;
};

JpegLimits jpeg_limits(const Json& entry) {
  JpegLimits limits;
  const Json& limit = member(entry, "limit");
  if (limit.IsString()) {
    const std::string words = limit.GetString();
    if (const size_t at = words.find("jpeg"); at != std::string::npos) {
      std::sscanf(words.c_str() + at, "jpeg mean %lf, max %lf", &limits.mean, &limits.max);
    }
  }
  return limits;
}

void run_decode(Fixture& fixture) {
  const JpegLimits limits = jpeg_limits(fixture.entry());
  for (const Json* config : elements(fixture.config())) {
    const std::string key = text(*config, "key");
    const Array theirs = fixture.array(key + "/rgb");
    const Image image = decode_image(fixture.bytes(key + "/bytes"), key);
    const Array ours = array_of(image);
    require<DataError>(ours.shape == theirs.shape, "{}: {} decodes to {} x {}", fixture.name(), key,
                       image.width, image.height);
    if (text(*config, "format") != "JPEG") {
      fixture.compare(key + "/rgb", ours);
      continue;
    }
    double sum = 0, max = 0;
    for (size_t i = 0; i < ours.values.size(); ++i) {
      const double d = std::abs(ours.values[i] - theirs.values[i]);
      sum += d;
      max = std::max(max, d);
    }
    fixture.record(key + ", mean difference", sum / static_cast<double>(ours.numel()), limits.mean);
    fixture.record(key + ", largest difference", max, limits.max);
  }
}

}  // namespace

const std::vector<Kind>& image_kinds() {
  static const std::vector<Kind> kinds{{"image/resize", run_resize},
                                       {"image/cutout", run_cutout},
                                       {"image/randaugment", run_randaugment},
                                       {"image/timm_ops", run_timm_ops},
                                       {"image/decode", run_decode}};
  return kinds;
}

}  // namespace mld::parity
