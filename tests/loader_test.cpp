// The loader: the same batches whatever the number of workers, resuming, targets, the cache.
#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "core/parallel.h"
#include "data/epoch_order.h"
#include "tests/fake_dataset.h"

namespace mld::test {

TEST_CASE("loader: the epoch's order is a permutation that depends on seed and epoch only") {
  const std::vector<int64_t> order = epoch_order(1000, 42, 3);
  std::vector<int64_t> sorted = order, expected(1000);
  std::ranges::sort(sorted);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(sorted == expected);
  CHECK(order == epoch_order(1000, 42, 3));
  CHECK(order != epoch_order(1000, 42, 4));
  CHECK(order != epoch_order(1000, 43, 3));
  // Computed independently of this code: equal runs on another machine see the same order.
  CHECK(epoch_order(8, 42, 0) == std::vector<int64_t>{5, 6, 7, 0, 1, 2, 3, 4});
  // Every sample comes first about equally often: chi-squared with 9 degrees of freedom.
  std::array<int, 10> first{};
  for (int64_t e = 0; e < 2000; ++e) {
    ++first[static_cast<size_t>(epoch_order(10, 1, e)[0])];
  }
  double chi = 0;
  for (const int count : first) {
    chi += (count - 200.0) * (count - 200.0) / 200.0;
  }
  CHECK(chi < 27.9);  // exceeded once in a thousand seeds
}

TEST_CASE("loader: batches do not depend on the number of workers or the prefetch") {
  const FakeDataset data(61);
  for (const bool training : {false, true}) {
    LoaderOptions options = small_options(training);
    options.augment = flip_and_crop();
    const Run alone = epoch(data, options, 5);
    CHECK(alone.indices.size() == 61);
    CHECK(alone.sizes == std::vector<int64_t>{8, 8, 8, 8, 8, 8, 8, 5});
    for (const int workers : {1, 3, 7}) {
      for (const int prefetch : {1, 4}) {
        options.loading.workers = workers;
        options.prefetch = prefetch;
        CHECK(epoch(data, options, 5) == alone);
      }
    }
    CHECK((epoch(data, options, 6) == alone) == !training);
  }
}

TEST_CASE("loader: a picture is augmented differently in every epoch, and unlike its neighbours") {
  // All samples look alike: only the random draw differs.
  FakeDataset data(8);
  data.all_alike = true;
  LoaderOptions options = small_options(true);
  options.augment = flip_and_crop();
  const auto augmented = [&](int64_t number) {  // by sample
    const Run run = epoch(data, options, number);
    std::vector<std::vector<uint8_t>> pictures(8);
    for (size_t i = 0; i < 8; ++i) {
      const auto from = run.pixels.begin() + static_cast<std::ptrdiff_t>(i * 6 * 6 * 3);
      pictures[static_cast<size_t>(run.indices[i])].assign(from, from + 6 * 6 * 3);
    }
    return pictures;
  };
  std::set<std::vector<uint8_t>> different;
  for (const int64_t number : {0, 1, 2}) {
    for (const std::vector<uint8_t>& picture : augmented(number)) {
      different.insert(picture);
    }
  }
  CHECK(different.size() == 24);
  CHECK(augmented(1) == augmented(1));
  const auto before = augmented(0);
  options.seed += 1;
  const auto after = augmented(0);
  for (size_t i = 0; i < 8; ++i) {
    CHECK(before[i] != after[i]);
  }
}

// A test of its own: ThreadSanitizer does not see OpenMP's barriers.
TEST_CASE("loader: where no processor is left the compute threads load the same batches") {
  const FakeDataset data(61);
  LoaderOptions options = small_options(true);
  options.augment = flip_and_crop();
  const Run alone = epoch(data, options, 5);
  options.loading.workers = -1;
  options.compute_threads = 1000;
  {
    const Loader loader(data, options);
    CHECK(loader.workers().workers == 0);
    CHECK(loader.workers().use_compute);
  }
  const int threads = compute_threads();
  set_threads(3);
  CHECK(epoch(data, options, 5) == alone);
  set_threads(threads);
}

TEST_CASE("loader: an epoch resumes at any batch, and start() drops what is under way") {
  const FakeDataset data(61);
  LoaderOptions options = small_options(true);
  options.augment = flip_and_crop();
  options.loading.workers = 2;
  const Run whole = epoch(data, options, 2);
  CHECK(whole.indices == epoch_order(61, options.seed, 2));
  for (const int64_t from : {1, 5, 7, 8}) {
    const Run rest = epoch(data, options, 2, from);
    const size_t skipped = std::min<size_t>(static_cast<size_t>(from) * 8, 61);
    CHECK(std::ranges::equal(rest.indices, std::span(whole.indices).subspan(skipped)));
    CHECK(std::ranges::equal(rest.pixels, std::span(whole.pixels).subspan(skipped * 6 * 6 * 3)));
  }
  Loader loader(data, options);
  CHECK(!loader.next());  // not started
  loader.start(9);
  CHECK(loader.next()->number == 0);
  loader.start(2, 7);
  CHECK(loader.next()->number == 7);
  CHECK(!loader.next());
  CHECK(!loader.next());
  loader.start(2);
  CHECK(rest_of_epoch(loader) == whole);
  loader.start(3);  // the destructor stops a loader in the middle of its work
}

TEST_CASE("loader: pictures, targets and the last batch") {
  const FakeDataset data(10);
  LoaderOptions options = small_options(false);
  options.preprocess.resize = ResizeMode::pad;
  Loader loader(data, options);
  CHECK(loader.batches_per_epoch() == 2);
  loader.start(0);
  const Batch first = *loader.next(), second = *loader.next();
  CHECK(first.images.shape() == Shape{8, 6, 6, 3});
  CHECK(first.images.dtype() == DType::u8);
  CHECK(second.images.shape() == Shape{2, 6, 6, 3});
  CHECK(second.targets.shape() == Shape{2, 3});
  CHECK(second.indices == std::vector<int64_t>{8, 9});
  const Image expected =
      resize_to_square(data.load(9), 6, ResizeMode::pad, Interpolation::bilinear);
  const auto* pixels = static_cast<const uint8_t*>(second.images.rows(1, 2).raw());
  CHECK(std::equal(expected.rgb.begin(), expected.rgb.end(), pixels));
  CHECK(second.targets.to_vector() == std::vector<float>{0, 0, 1, 1, 0, 0});
  CHECK(second.weights.to_vector() == std::vector<float>{0, 1, 1, 1, 0, 1});

  options.training = true;
  const Run train = epoch(data, options, 0);
  CHECK(std::ranges::count(train.targets, 1.0f) == 10);
  CHECK(std::ranges::count(train.targets, 0.0f) == 20);
  CHECK(std::ranges::count(train.weights, 0.0f) == 10);
  options.drop_last = true;
  CHECK(epoch(data, options, 0).sizes == std::vector<int64_t>{8});
  options.batch_size = 11;
  CHECK(message_of<UsageError>([&] { Loader(data, options); }) ==
        "10 pictures do not fill one batch of 11; use a smaller train.batch_size");
  options.drop_last = false;
  CHECK(epoch(data, options, 0).sizes == std::vector<int64_t>{10});
}

TEST_CASE("loader: small sets stay decoded, with the same pixels") {
  const FakeDataset data(30);
  LoaderOptions options = small_options(true);
  options.augment = AugmentPolicy{};
  options.loading.workers = 3;
  const auto three_epochs = [&] {
    data.loads = 0;
    Loader loader(data, options);
    Run all;
    for (const int64_t e : {0, 1, 2}) {
      loader.start(e);
      const Run run = rest_of_epoch(loader);
      all.pixels.insert(all.pixels.end(), run.pixels.begin(), run.pixels.end());
    }
    return all.pixels;
  };
  const std::vector<uint8_t> cached = three_epochs();
  CHECK(data.loads == 30);
  options.cache_bytes = 30 * 6 * 6 * 3 - 1;
  CHECK(three_epochs() == cached);
  CHECK(data.loads == 90);
  options.cache_bytes = int64_t{1} << 29;
  options.augment = flip_and_crop();  // needs the picture as it was
  three_epochs();
  CHECK(data.loads == 90);
}

TEST_CASE("loader: workers and compute threads do not exceed the processors") {
  CHECK(plan_workers(5, 8, 2).workers == 5);  // as the user says
  CHECK(plan_workers(0, 1, 8).workers == 0);
  CHECK(!plan_workers(0, 1, 8).use_compute);
  CHECK(plan_workers(-1, 2, 2).workers == 0);
  CHECK(plan_workers(-1, 2, 2).use_compute);
  CHECK(!plan_workers(-1, 1, 1).use_compute);
  CHECK(plan_workers(-1, 2, 8).workers == 6);
  CHECK(plan_workers(-1, 0, 64).workers == 16);
}

TEST_CASE("loader: options out of range") {
  const FakeDataset data(4);
  const auto error = [&](auto&& change) {
    LoaderOptions options = small_options(true);
    change(options);
    return message_of<UsageError>([&] { Loader(data, options); });
  };
  CHECK(error([](auto& o) { o.batch_size = 0; }) ==
        "loader: batch_size is 0, expected 1 or more");
  CHECK(error([](auto& o) { o.preprocess.image_size = 0; }) ==
        "loader: image_size is 0, expected 1 to 65535");
  CHECK(error([](auto& o) { o.loading.workers = -2; }) ==
        "loader: workers is -2, expected -1 (automatic) to 1024");
  CHECK(error([](auto& o) { o.prefetch = 0; }) == "loader: prefetch is 0, expected 1 or more");
  CHECK(error([](auto& o) { o.loading.max_bad_fraction = 2; }) ==
        "loader: max_bad_fraction is 2, expected 0 to 1");
  Loader loader(data, small_options(true));
  CHECK(message_of<UsageError>([&] { loader.start(0, 2); }) == "loader: batch 2 of an epoch of 1");
}

}  // namespace mld::test
