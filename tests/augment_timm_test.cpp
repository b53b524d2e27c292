// timm's RandAugment policy and random erasing: what is drawn, and that it is applied.
#include <cmath>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "data/augment.h"
#include "tests/image_fixtures.h"

namespace mld::test {

TEST_CASE("timm's RandAugment: operations, arguments and signs are distributed as published") {
  constexpr int kDraws = 30000;
  struct Seen {
    int count = 0, negative = 0;
    double sum = 0, low = 1e9, high = -1e9;
  };
  std::map<std::string, Seen> seen;
  RandomStream random({.seed = 4});
  int kept = 0;
  for (int i = 0; i < kDraws; ++i) {
    for (const TimmStep& step : draw_timm_randaugment(random)) {
      Seen& op = seen[std::string(step.op)];
      const bool factor = step.op == "color" || step.op == "contrast" ||
                          step.op == "brightness" || step.op == "sharpness";
      const double offset = factor ? step.argument - 1 : step.argument;
      ++kept;
      ++op.count;
      op.negative += offset < 0;
      op.sum += std::abs(offset);
      op.low = std::min(op.low, std::abs(offset));
      op.high = std::max(op.high, std::abs(offset));
    }
  }
  CHECK(std::abs(kept - kDraws) < 5 * std::sqrt(kDraws / 2.0));  // two, each with 1/2
  REQUIRE(seen.size() == 15);
  // At magnitude N(7, 0.5): the mean argument, and whether it has a sign.
  const std::map<std::string, std::pair<double, bool>> expected = {
      {"auto_contrast", {0, false}}, {"equalize", {0, false}},  {"invert", {0, false}},
      {"rotate", {21, true}},        {"color", {0.63, true}},   {"contrast", {0.63, true}},
      {"brightness", {0.63, true}},  {"sharpness", {0.63, true}}, {"shear_x", {0.21, true}},
      {"shear_y", {0.21, true}},     {"translate_x_rel", {0.315, true}},
      {"translate_y_rel", {0.315, true}}, {"solarize", {256 - 178.7, false}},
      {"solarize_add", {76.5, false}}};
  for (const auto& [name, op] : seen) {
    CAPTURE(name);
    CHECK(std::abs(op.count - kept / 15) < 5 * std::sqrt(kept / 15.0));
    if (name == "posterize") {  // 4 - int(4 M / 10): 2 below magnitude 7.5, 1 from there
      CHECK(op.low == 1);
      CHECK(op.high == 2);
      CHECK(op.sum / op.count == doctest::Approx(2 - 0.1587).epsilon(0.02));
      continue;
    }
    const auto [mean, has_sign] = expected.at(name);
    CHECK(op.sum / op.count == doctest::Approx(mean).epsilon(0.01));
    CHECK(std::abs(op.negative - (has_sign ? op.count / 2 : 0)) <
          (has_sign ? 5 * std::sqrt(op.count / 4.0) : 1));
  }
}

TEST_CASE("random erasing: how often, how large, what shape, one colour") {
  RandomStream random({.seed = 8});
  const Image image(60, 60, 10);
  constexpr int kDraws = 3000;
  int erased = 0;
  double area = 0, log_ratio = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Image out = random_erasing(image, 0.3, Erasing::colour,
                                     image_norm(Normalize::imagenet), random);
    int left = 60, right = -1, top = 60, bottom = -1, count = 0;
    for (int y = 0; y < 60; ++y) {
      for (int x = 0; x < 60; ++x) {
        const uint8_t* p = out.pixel(x, y);
        if (p[0] == 10) {
          continue;
        }
        CHECK((p[0] == 124 && p[1] == 116 && p[2] == 104));
        left = std::min(left, x), right = std::max(right, x);
        top = std::min(top, y), bottom = std::max(bottom, y);
        ++count;
      }
    }
    if (count > 0) {
      CHECK(count == (right - left + 1) * (bottom - top + 1));
      ++erased;
      area += count / 3600.0;
      const double ratio = std::log((bottom - top + 1.0) / (right - left + 1));
      log_ratio += ratio;
      squares += ratio * ratio;
    }
  }
  CHECK(std::abs(erased - 900) < 5 * 25);
  CHECK(area / erased == doctest::Approx((0.02 + 1.0 / 3) / 2).epsilon(0.1));
  CHECK(std::abs(log_ratio / erased) < 5 * 0.7 / 30);
  CHECK(squares / erased == doctest::Approx(std::pow(std::log(0.3), 2) / 3).epsilon(0.15));
  for (int i = 0; i < 200; ++i) {
    const CropBox box = random_erased_box(1, 1, random);
    CHECK(box.width * box.height == 0);  // it must be smaller than the picture
  }
}

TEST_CASE("random erasing: a random colour, random pixels, of the normalisation's spread") {
  const ImageNormSpec norm{.mean = {0.5f, 0.25f, 0.75f}, .std = {0.05f, 0.1f, 0.02f}};
  const Image image(40, 40, 0);  // ten deviations from the mean: no value is drawn there
  for (const Erasing mode : {Erasing::rand, Erasing::pixel}) {
    RandomStream random({.seed = 5});
    std::array<double, 3> sum{}, squares{};
    int drawn = 0;
    for (int i = 0; i < (mode == Erasing::rand ? 2000 : 20); ++i) {
      const Image out = random_erasing(image, 1, mode, norm, random);
      std::set<std::array<uint8_t, 3>> colours;
      for (size_t p = 0; p < out.rgb.size(); p += 3) {
        if (out.rgb[p] == 0) {
          continue;
        }
        const std::array<uint8_t, 3> colour{out.rgb[p], out.rgb[p + 1], out.rgb[p + 2]};
        if (!colours.insert(colour).second && mode == Erasing::rand) {
          continue;
        }
        ++drawn;
        for (size_t c = 0; c < 3; ++c) {
          const double normalised = (colour[c] / 255.0 - norm.mean[c]) / norm.std[c];
          sum[c] += normalised;
          squares[c] += normalised * normalised;
        }
      }
      CHECK((mode == Erasing::rand ? colours.size() == 1 : colours.size() > 10));
    }
    for (size_t c = 0; c < 3; ++c) {
      CHECK(std::abs(sum[c] / drawn) < 5 / std::sqrt(drawn));
      CHECK(squares[c] / drawn == doctest::Approx(1).epsilon(0.12));
    }
  }
}

TEST_CASE("augment: timm's RandAugment and erasing have their places and streams") {
  const Image image = noise(50, 40);
  const auto stream = [](uint32_t offset) {
    return RandomStream({.seed = 7, .step = 2, .stream = 16 + offset});
  };
  for (const Normalize normalize : {Normalize::none, Normalize::imagenet}) {
    const Preprocess spec{.image_size = 32, .interpolation = Interpolation::bicubic,
                          .normalize = normalize};
    RandomStream random = stream(3), erasing = stream(4);
    Image expected = to_square(image, spec);
    expected = random_timm_randaugment(std::move(expected), Interpolation::bicubic, random);
    expected = random_erasing(std::move(expected), 1, Erasing::pixel, image_norm(normalize),
                              erasing);
    check_same(augment(image, spec, {.cutout = 0, .aa = AutoAugment::timm, .reprob = 1,
                                     .remode = Erasing::pixel},
                       {.seed = 7, .step = 2, .stream = 16}),
               expected, "timm");
  }
}

}  // namespace mld::test
