// Augmentation operations against the published ones, bit for bit; the pipeline's random choices.
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "data/augment.h"
#include "tests/image_fixtures.h"

using mld::Image;
using mld::Interpolation;
using mld::RandAugmentOp;
using mld::test::check_same;
using mld::test::fixtures;
using mld::test::fnv1a;
using mld::test::noise;
using mld::test::read_tsv;
using mld::test::split;
using mld::test::to_image;

namespace {

Interpolation interpolation_of(const std::string& name) {
  return name == "nearest"    ? Interpolation::nearest
         : name == "bilinear" ? Interpolation::bilinear
                              : Interpolation::bicubic;
}

// The picture that the reference fixtures transform.
Image reference_picture() {
  return to_image(mld::SafeTensorsFile(fixtures() / "img_cutout.safetensors").at("base"));
}

// "Sharpness/m5/-": operation, magnitude index, sign. The fixture's cutouts have their centre at
// (43, 92).
Image apply_randaugment(const Image& image, const std::string& key) {
  const auto parts = split(key, '/');
  const auto op = mld::randaugment_op_named(parts.at(0));
  REQUIRE(op.has_value());
  CHECK(mld::name_of(*op) == parts[0]);
  CHECK(mld::has_sign(*op) == (parts.size() == 3));
  const int magnitude = parts.at(1).at(1) - '0';
  const int sign = parts.size() == 3 && parts[2] == "-" ? -1 : 1;
  return mld::randaugment_op(image, *op, mld::randaugment_value(*op, magnitude), sign,
                             {.x = 43, .y = 92});
}

// "rotate/bicubic/-30", "posterize/4", "equalize", "flat/equalize".
Image apply_timm(const Image& image, const std::string& key) {
  auto parts = split(key, '/');
  if (parts[0] == "flat") {  // 6 rows of 7 pixels of one grey
    return mld::timm_op(Image(7, 6, 93), parts.at(1), 0);
  }
  const double argument = parts.size() > 1 ? std::stod(parts.back()) : 0;
  return parts.size() == 3
             ? mld::timm_op(image, parts[0], argument, interpolation_of(parts[1]))
             : mld::timm_op(image, parts[0], argument);
}

// The rows of img_hashes.tsv made by Pillow: "rotate 40x40 -17.5 bicubic".
Image apply_pillow(const std::string& op, const std::vector<std::string>& words) {
  const auto size = split(words.at(0), 'x');
  Image image = noise(std::stoi(size.at(0)), std::stoi(size.at(1)));
  const bool dim = words.back() == "dim", bright = words.back() == "bright";
  for (uint8_t& value : image.rgb) {
    value = static_cast<uint8_t>(dim ? value / 3 + 40 : bright ? std::min(2 * value, 255) : value);
  }
  const double argument = words.size() > 1 && !dim && !bright ? std::stod(words[1]) : 0;
  if (op == "translate_x" || op == "translate_y") {
    return (op == "translate_x" ? mld::translate_x : mld::translate_y)(
        image, argument, interpolation_of(words.at(2)), mld::kTimmFill);
  }
  return words.size() == 3 ? mld::timm_op(image, op, argument, interpolation_of(words[2]))
                           : mld::timm_op(image, op, argument);
}

}  // namespace

TEST_CASE("ops: hashes of the reference fixtures and of Pillow") {
  const Image base = reference_picture();
  std::map<std::string, int> checked;
  for (const auto& row : read_tsv(fixtures() / "img_hashes.tsv")) {
    const std::string &kind = row.at(0), &key = row.at(1);
    INFO(kind, " ", key);
    if (kind == "resize") {
      continue;
    }
    Image got;
    if (kind == "randaugment") {
      got = apply_randaugment(base, key);
    } else if (kind == "timm") {
      got = apply_timm(base, key);
    } else {
      got = apply_pillow(kind, split(key, ' '));
    }
    CHECK(fnv1a(got) == row.at(2));
    ++checked[kind == "randaugment" || kind == "timm" ? kind : "pillow"];
  }
  CHECK(checked["randaugment"] == 63);
  CHECK(checked["timm"] == 73);
  CHECK(checked["pillow"] == 410);
  check_same(mld::equalize(Image(20, 20, 93)), Image(20, 20, 93), "one level");
}

TEST_CASE("ops: the package's values") {
  const int posterize[] = {8, 7, 7, 6, 6, 5, 5, 4, 4}, cutout[] = {2, 4, 7, 9, 11, 13, 16, 18, 20};
  for (int m = 1; m <= 9; ++m) {
    CHECK(mld::randaugment_value(RandAugmentOp::posterize, m) == posterize[m - 1]);
    CHECK(mld::randaugment_value(RandAugmentOp::cutout, m) == cutout[m - 1]);
    CHECK(mld::randaugment_value(RandAugmentOp::equalize, m) == 0);
  }
  // From the fixture's manifest, to the last bit.
  CHECK(mld::randaugment_value(RandAugmentOp::shear_x, 1) == 0.03333333333333333);
  CHECK(mld::randaugment_value(RandAugmentOp::shear_y, 5) == 0.16666666666666666);
  CHECK(mld::randaugment_value(RandAugmentOp::translate_x, 1) == 0.050352467270896276);
  CHECK(mld::randaugment_value(RandAugmentOp::translate_y, 5) == 0.25176233635448136);
  CHECK(mld::randaugment_value(RandAugmentOp::translate_y, 9) == 0.45317220543806647);
  CHECK(mld::randaugment_value(RandAugmentOp::rotate, 1) == 3.3333333333333335);
  CHECK(mld::randaugment_value(RandAugmentOp::rotate, 5) == 16.666666666666668);
  CHECK(mld::randaugment_value(RandAugmentOp::solarize, 1) == 227.55555555555554);
  CHECK(mld::randaugment_value(RandAugmentOp::solarize, 5) == 113.77777777777777);
  CHECK(mld::randaugment_value(RandAugmentOp::solarize, 9) == 0);
  CHECK(mld::randaugment_value(RandAugmentOp::color, 5) == 0.5);
  CHECK_THROWS_AS(mld::randaugment_value(RandAugmentOp::color, 10), mld::Error);
  CHECK_THROWS_AS(mld::timm_op(noise(2, 2), "blur", 1), mld::Error);
  CHECK(!mld::randaugment_op_named("Blur").has_value());
}

TEST_CASE("augment: a function of the key alone") {
  const Image image = noise(50, 40);
  const mld::AugmentPolicy config{.hflip = 0.5, .crop_scale = {{0.2, 1}}};
  const auto run = [&](const mld::RandomKey& key) {
    return mld::augment(image, {.image_size = 32}, config, key);
  };
  std::set<std::string> seen;
  for (uint64_t step = 0; step < 40; ++step) {
    const mld::RandomKey key{.seed = 3, .step = step, .stream = 8};
    const Image once = run(key);
    CHECK(once.width == 32);
    CHECK(once.height == 32);
    check_same(run(key), once, "again");
    seen.insert(fnv1a(once));
  }
  CHECK(seen.size() == 40);
  CHECK(fnv1a(run({.seed = 4, .stream = 8})) != fnv1a(run({.seed = 3, .stream = 8})));
  CHECK(fnv1a(run({.seed = 3, .stream = 16})) != fnv1a(run({.seed = 3, .stream = 8})));
}

TEST_CASE("augment: the steps in the official order, each from its own stream") {
  const Image image = noise(50, 40);
  const mld::RandomKey key{.seed = 11, .step = 5, .stream = 64};
  const auto run = [&](const mld::AugmentPolicy& config) {
    return mld::augment(image, {.image_size = 32, .interpolation = Interpolation::bicubic}, config,
                        key);
  };
  const auto stream = [&](uint32_t offset) {
    return mld::RandomStream({.seed = 11, .step = 5, .stream = 64 + offset});
  };
  const auto none = mld::AutoAugment::none;
  Image expected = mld::resize(image, 32, 32, Interpolation::bicubic);
  check_same(run({.cutout = 0, .aa = none}), expected, "resize only");
  auto random = stream(2);
  expected = mld::random_cutout(expected, 0.5, random);
  check_same(run({.aa = none}), expected, "cutout");
  random = stream(2);
  auto draws = stream(2);  // y first and below the width, x below the height, then the colour
  const int y = draws.below(50), x = draws.below(40);
  const mld::Rgb colour = {static_cast<uint8_t>(draws.below(256)),
                           static_cast<uint8_t>(draws.below(256)),
                           static_cast<uint8_t>(draws.below(256))};
  check_same(mld::random_cutout(image, 0.5, random), mld::cutout(image, 0.5, x, y, colour),
             "cutout of a picture that is not square");
  random = stream(3);
  check_same(run({}), mld::random_randaugment(expected, random), "the published recipe");

  random = stream(0);
  const mld::CropBox box = mld::random_crop_box(50, 40, 0.3, 0.9, random);
  expected = mld::resize(mld::crop(image, box), 32, 32, Interpolation::bicubic);
  check_same(run({.crop_scale = {{0.3, 0.9}}, .cutout = 0, .aa = none}),
             expected, "crop");
  check_same(run({.hflip = 1, .crop_scale = {{0.3, 0.9}}, .cutout = 0, .aa = none}),
             mld::horizontal_flip(expected), "crop and flip");
}

TEST_CASE("augment: what is drawn is distributed as published") {
  constexpr int kDraws = 6000;
  std::map<std::string, int> ops;
  std::map<int, int> magnitudes;
  int applied = 0, negative = 0, with_sign = 0;
  mld::RandomStream random({.seed = 1});
  for (int i = 0; i < kDraws; ++i) {
    for (const mld::RandAugmentStep& step : mld::draw_randaugment(64, 48, random)) {
      ++ops[std::string(mld::name_of(step.op))];
      ++magnitudes[step.magnitude];
      ++applied;
      with_sign += mld::has_sign(step.op);
      negative += step.sign < 0;
      CHECK((mld::has_sign(step.op) || step.sign == 1));
      CHECK(step.cutout_center.x >= 0);
      CHECK(step.cutout_center.x < 64);
      CHECK(step.cutout_center.y < 48);
    }
  }
  // Bounds of about five standard deviations.
  CHECK(std::abs(applied - kDraws) < 280);  // two operations, each with probability 1/2
  CHECK(ops.size() == 15);
  for (const auto& [name, count] : ops) {
    INFO(name);
    CHECK(std::abs(count - applied / 15) < 97);
  }
  CHECK(magnitudes.size() == 9);
  CHECK(magnitudes.begin()->first == 1);
  for (const auto& [magnitude, count] : magnitudes) {
    CHECK(std::abs(count - applied / 9) < 122);
  }
  CHECK(std::abs(2 * negative - with_sign) < 5 * std::sqrt(with_sign));

  double area = 0, log_ratio = 0;
  for (int i = 0; i < kDraws; ++i) {
    const mld::CropBox box = mld::random_crop_box(400, 400, 0.08, 0.5, random);
    CHECK(box.x >= 0);
    CHECK(box.y >= 0);
    CHECK(box.x + box.width <= 400);
    CHECK(box.y + box.height <= 400);
    const double share = box.width * box.height / 160000.0;
    CHECK(share > 0.079);
    CHECK(share < 0.501);
    area += share;
    log_ratio += std::log(static_cast<double>(box.width) / box.height);
  }
  CHECK(area / kDraws == doctest::Approx(0.29).epsilon(0.03));
  CHECK(std::abs(log_ratio / kDraws) < 0.012);

  int flipped = 0;
  const Image two = noise(2, 1);
  for (uint64_t step = 0; step < 2000; ++step) {
    const Image out = mld::augment(two, {.image_size = 2, .interpolation = Interpolation::nearest},
                                   {.hflip = 0.3, .cutout = 0, .aa = mld::AutoAugment::none},
                                   {.seed = 5, .step = step});
    flipped += *out.pixel(0, 0) != *two.pixel(0, 0);
  }
  CHECK(std::abs(flipped - 600) < 105);
}

TEST_CASE("augment: crops that cannot fit fall back to the centre") {
  mld::RandomStream random({.seed = 2});
  for (int i = 0; i < 50; ++i) {  // a strip: no box of ratio 3/4 to 4/3 has most of its area
    const mld::CropBox wide = mld::random_crop_box(300, 30, 0.9, 1, random);
    CHECK(wide.width == 40);
    CHECK(wide.height == 30);
    CHECK(wide.x == 130);
    CHECK(wide.y == 0);
    const mld::CropBox tall = mld::random_crop_box(30, 300, 0.9, 1, random);
    CHECK(tall.height == 40);
    CHECK(tall.y == 130);
  }
  const mld::CropBox pixel = mld::random_crop_box(1, 1, 0.08, 1, random);
  CHECK(pixel.width == 1);
  CHECK(pixel.height == 1);
}

TEST_CASE("augment: settings out of range") {
  CHECK_NOTHROW(mld::check_augment_policy({}));
  CHECK_NOTHROW(mld::check_augment_policy({.crop_scale = {{0.08, 1}}}));
  CHECK_THROWS_WITH_AS(mld::check_augment_policy({.hflip = 1.5}),
                       "augment.hflip: 1.5, expected 0 to 1", mld::UsageError);
  CHECK_THROWS_WITH_AS(mld::check_augment_policy({.crop_scale = {{0.5, 0.1}}}),
                       "augment.crop_scale: 0.5 to 0.1, expected 0 < low <= high, as in 0.08 to 1",
                       mld::UsageError);
  CHECK_THROWS_AS(mld::check_augment_policy({.cutout = -0.1}), mld::UsageError);
}
