// Mixing a batch: what is drawn, pixels, targets and weights; in the loader.
#include <algorithm>
#include <array>
#include <cmath>

#include "data/epoch_order.h"
#include "data/mix.h"
#include "tests/fake_dataset.h"

namespace mld::test {
namespace {

// Pictures of S x S pixels, every byte different enough to tell rows apart.
Tensor pictures(int64_t N, int64_t S) {
  Tensor x({N, S, S, 3}, DType::u8);
  for (int64_t i = 0; i < x.numel(); ++i) {
    x.data<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  }
  return x;
}

}  // namespace

TEST_CASE("mix: the beta distribution's mean, variance and symmetry") {
  for (const double a : {0.1, 0.2, 1.0, 4.0}) {
    CAPTURE(a);
    RandomStream random({.seed = 5});
    constexpr int kDraws = 20000;
    double sum = 0, squares = 0, cubes = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double d = random_beta(a, random) - 0.5;
      CHECK(std::abs(d) <= 0.5);
      sum += d / kDraws;
      squares += d * d / kDraws;
      cubes += d * d * d / kDraws;
    }
    const double variance = 1 / (4 * (2 * a + 1));  // of Beta(a, a)
    CHECK(std::abs(sum) < 5 * std::sqrt(variance / kDraws));
    CHECK(squares == doctest::Approx(variance).epsilon(0.03));
    CHECK(std::abs(cubes) < 0.003);
  }
  RandomStream random({.seed = 5});
  for (int i = 0; i < 1000; ++i) {  // powers of 1e5 that float64 cannot hold
    CHECK(std::isfinite(random_beta(1e-5, random)));
  }
}

TEST_CASE("mix: one of the two kinds per batch; the box's area is what lambda lost") {
  RandomStream random({.seed = 9});
  int cut = 0, none = 0;
  double boxes = 0;
  for (int i = 0; i < 4000; ++i) {
    const Mix mix = draw_mix({.mixup = 0.1, .cutmix = 1, .mix_prob = 0.75}, 40, random);
    none += mix.lambda == 1 && !mix.cut;
    cut += mix.cut;
    CHECK(mix.lambda >= 0);
    CHECK(mix.lambda <= 1);
    if (mix.cut) {
      const CropBox& box = mix.box;
      CHECK(std::min({box.x, box.y, box.width, box.height}) >= 0);
      CHECK(std::max(box.x + box.width, box.y + box.height) <= 40);
      CHECK(mix.lambda == 1 - box.width * box.height / 1600.0);
      boxes += 1 - mix.lambda;
    }
  }
  CHECK(std::abs(cut - 1500) < 150);   // 3/4 of 1/2
  CHECK(none >= 850);                  // 1/4, and those whose lambda rounds to 1
  CHECK(none < 1800);
  CHECK(boxes / cut > 0.25);  // about 1/2, less what clipping takes
  CHECK(boxes / cut < 0.5);
  CHECK(draw_mix({}, 40, random).lambda == 1);
  CHECK(draw_mix({.cutmix = 1}, 40, random).cut);
  CHECK_FALSE(draw_mix({.mixup = 1}, 40, random).cut);
}

TEST_CASE("mix: blended bytes are float32 sums, rounded to even; boxes are exchanged") {
  const Tensor x = pictures(4, 6);
  Tensor blended = x.clone();
  mix_images({.lambda = 0.3}, blended);
  Tensor cut = x.clone();
  mix_images({.lambda = 0.5, .cut = true, .box = {.x = 1, .y = 2, .width = 4, .height = 3}}, cut);
  const int64_t picture = 6 * 6 * 3;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t n = i / picture, partner = (3 - n) * picture + i % picture;
    const float own = x.data<uint8_t>()[i], other = x.data<uint8_t>()[partner];
    const float sum = own * 0.3f + other * static_cast<float>(1 - 0.3);
    CHECK(blended.data<uint8_t>()[i] == static_cast<uint8_t>(std::rint(sum)));
    const int64_t row = i % picture / 18, column = i % 18 / 3;
    const bool inside = column >= 1 && column < 5 && row >= 2 && row < 5;
    CHECK(cut.data<uint8_t>()[i] == (inside ? other : own));
  }
  Tensor same = x.clone();
  mix_images({}, same);
  CHECK(same.to_vector() == x.to_vector());
}

TEST_CASE("mix: targets, with weights and without; a label unknown in one counts as in the other") {
  const std::vector<float> y = {1, 0, 0, 0, 1, 0};
  Tensor targets = Tensor::from({2, 3}, y), no_weights;
  mix_targets({.lambda = 0.75}, targets, no_weights);
  CHECK(targets.to_vector() == std::vector<float>{0.75f, 0.25f, 0, 0.25f, 0.75f, 0});
  CHECK(!no_weights.defined());
  targets = Tensor::from({2, 3}, y);
  const std::vector<float> w = {1, 0, 2, 1, 1, 0};
  Tensor weights = Tensor::from({2, 3}, w);
  mix_targets({.lambda = 0.75}, targets, weights);
  CHECK(targets.to_vector() == std::vector<float>{0.75f, 1, 0, 0.25f, 1, 0});
  CHECK(weights.to_vector() == std::vector<float>{1, 0.25f, 1.5f, 1, 0.75f, 0.5f});
}

TEST_CASE("mix: batches of the loader are mixed, a function of seed, epoch and batch alone") {
  FakeDataset data(32);
  LoaderOptions options = small_options(true);
  options.augment = AugmentPolicy{.cutout = 0, .aa = AutoAugment::none};
  const Run plain = epoch(data, options, 1);
  options.augment->mixup = 0.8;
  options.augment->cutmix = 1;
  const Run mixed = epoch(data, options, 1);
  CHECK(mixed.indices == plain.indices);
  CHECK(mixed.pixels != plain.pixels);
  CHECK(mixed.targets != plain.targets);
  CHECK(std::ranges::any_of(mixed.targets, [](float y) { return y > 0 && y < 1; }));
  options.loading.workers = 3;
  CHECK(epoch(data, options, 1) == mixed);
  const Run rest = epoch(data, options, 1, 2);
  CHECK(std::ranges::equal(rest.pixels, std::span(mixed.pixels).subspan(2 * 8 * 6 * 6 * 3)));
  CHECK(epoch(data, options, 2).targets != mixed.targets);
  options.training = false;  // never in evaluation
  CHECK(std::ranges::none_of(epoch(data, options, 1).targets,
                             [](float y) { return y > 0 && y < 1; }));
}

TEST_CASE("repeated augmentation: each sample several times in a row, each time another picture") {
  CHECK(epoch_visits(1000, 3) == 768);
  CHECK(epoch_visits(1000, 1) == 1000);
  CHECK(epoch_visits(255, 3) == 255);
  const std::vector<int64_t> once = epoch_order(1000, 7, 2), order = epoch_order(1000, 7, 2, 3);
  REQUIRE(order.size() == 768);
  for (size_t i = 0; i < order.size(); ++i) {
    CHECK(order[i] == once[i / 3]);
  }
  FakeDataset data(300);
  data.all_alike = true;
  LoaderOptions options = small_options(true);
  options.augment = flip_and_crop();
  options.augment->repeats = 3;
  {
    Loader loader(data, options);
    CHECK(loader.batches_per_epoch() == 32);  // of 8: 256 visits
  }
  const Run run = epoch(data, options, 0);
  CHECK(run.indices == epoch_order(300, options.seed, 0, 3));
  std::set<std::vector<uint8_t>> different;
  for (auto at = run.pixels.begin(); at != run.pixels.end(); at += 6 * 6 * 3) {
    different.insert(std::vector<uint8_t>(at, at + 6 * 6 * 3));
  }
  CHECK(different.size() > 240);  // small pictures: some are alike by chance; samples are 86
  const Run rest = epoch(data, options, 0, 5);
  CHECK(std::ranges::equal(rest.pixels, std::span(run.pixels).subspan(5 * 8 * 6 * 6 * 3)));
}

}  // namespace mld::test
