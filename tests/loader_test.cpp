// The loader: the same batches whatever the workers, resuming, bad pictures, the cache.
#include <algorithm>
#include <atomic>
#include <numeric>
#include <set>
#include <thread>

#include "core/parallel.h"
#include "data/formats/open.h"
#include "data/loader.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

// Pictures of one colour that tell their sample; some samples cannot be loaded.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(int64_t n, std::set<int64_t> bad = {}) : n_(n), bad_(std::move(bad)) {
    labels_.resize(static_cast<size_t>(n) * 3, Label::absent);
    for (int64_t i = 0; i < n; ++i) {
      labels_[static_cast<size_t>(i * 3 + i % 3)] = Label::present;
      labels_[static_cast<size_t>(i * 3 + (i + 1) % 3)] = Label::ignored;
    }
  }

  int64_t size() const override { return n_; }
  const std::vector<std::string>& class_names() const override { return names_; }
  std::span<const Label> labels(int64_t i) const override {
    return {&labels_[static_cast<size_t>(i * 3)], 3};
  }
  std::string source(int64_t i) const override { return fmt::format("fake:{}", i); }
  Image load(int64_t i) const override {
    ++loads;
    if (i % 4 == 1) {
      std::this_thread::sleep_for(std::chrono::microseconds(300));  // finish out of order
    }
    if (bad_.contains(i)) {
      fail<DataError>("fake:{}: damaged", i);
    }
    if (i == broken_memory) {
      throw std::bad_alloc();
    }
    Image image(12 + static_cast<int>(i % 5), 9, static_cast<uint8_t>(i));
    image.rgb[0] = 255;
    return image;
  }

  mutable std::atomic<int64_t> loads{0};
  int64_t broken_memory = -1;

 private:
  int64_t n_;
  std::set<int64_t> bad_;
  std::vector<std::string> names_ = {"a", "b", "c"};
  std::vector<Label> labels_;
};

LoaderOptions small_options(bool training) {
  LoaderOptions options;
  options.batch_size = 8;
  options.image_size = 6;
  options.training = training;
  options.workers = 0;
  return options;
}

AugmentPolicy flip_and_crop() {
  AugmentPolicy policy;
  policy.hflip = 0.5;
  policy.crop_scale_low = 0.3;
  policy.crop_scale_high = 1;
  return policy;
}

// Everything a run of batches holds.
struct Run {
  std::vector<int64_t> indices, sizes;
  std::vector<uint8_t> pixels;
  std::vector<float> targets;
  bool operator==(const Run&) const = default;
};

Run rest_of_epoch(Loader& loader) {
  Run run;
  while (const std::optional<Batch> batch = loader.next()) {
    const auto* pixels = static_cast<const uint8_t*>(batch->images.raw());
    run.pixels.insert(run.pixels.end(), pixels, pixels + batch->images.bytes());
    const auto* targets = batch->targets.data<float>();
    run.targets.insert(run.targets.end(), targets, targets + batch->targets.numel());
    run.indices.insert(run.indices.end(), batch->indices.begin(), batch->indices.end());
    run.sizes.push_back(batch->images.shape()[0]);
  }
  return run;
}

Run epoch(const Dataset& data, const LoaderOptions& options, int64_t number, int64_t from = 0) {
  Loader loader(data, options);
  loader.start(number, from);
  return rest_of_epoch(loader);
}

}  // namespace

TEST_CASE("loader: the epoch's order is a permutation that depends on seed and epoch only") {
  const std::vector<int64_t> order = epoch_order(1000, 42, 3);
  std::vector<int64_t> sorted = order, expected(1000);
  std::ranges::sort(sorted);
  std::iota(expected.begin(), expected.end(), 0);
  CHECK(sorted == expected);
  CHECK(order == epoch_order(1000, 42, 3));
  CHECK(order != epoch_order(1000, 42, 4));
  CHECK(order != epoch_order(1000, 43, 3));
  // Computed apart from this code: equal runs on another machine see the same order.
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
        options.workers = workers;
        options.prefetch = prefetch;
        CHECK(epoch(data, options, 5) == alone);
      }
    }
    CHECK((epoch(data, options, 6) == alone) == !training);
  }
}

// Apart from the others: ThreadSanitizer does not see OpenMP's barriers.
TEST_CASE("loader: where no processor is left the compute threads load the same batches") {
  const FakeDataset data(61);
  LoaderOptions options = small_options(true);
  options.augment = flip_and_crop();
  const Run alone = epoch(data, options, 5);
  options.workers = -1;
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
  options.workers = 2;
  const Run whole = epoch(data, options, 2);
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
  loader.start(3);  // and the destructor ends a loader in the middle of its work
}

TEST_CASE("loader: pictures, targets and the last batch") {
  const FakeDataset data(10);
  LoaderOptions options = small_options(false);
  options.resize = ResizeMode::pad;
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
  CHECK(second.targets.to_vector() == std::vector<float>{-1, 0, 1, 1, -1, 0});

  options.training = true;
  const Run train = epoch(data, options, 0);
  CHECK(std::ranges::count(train.targets, 1.0f) == 10);
  CHECK(std::ranges::count(train.targets, 0.0f) == 20);
  options.drop_last = true;
  CHECK(epoch(data, options, 0).sizes == std::vector<int64_t>{8});
  options.batch_size = 11;
  CHECK(message_of<UsageError>([&] { Loader(data, options); }) ==
        "10 pictures do not fill one batch of 11; use a smaller train.batch_size");
  options.drop_last = false;
  CHECK(epoch(data, options, 0).sizes == std::vector<int64_t>{10});
}

TEST_CASE("loader: a bad picture is an error in the batch that needs it") {
  const FakeDataset data(40, {19});
  for (const int workers : {0, 3}) {
    LoaderOptions options = small_options(false);
    options.workers = workers;
    Loader loader(data, options);
    loader.start(0);
    CHECK(loader.next());
    CHECK(loader.next());
    CHECK(message_of<DataError>([&] { loader.next(); }) ==
          "fake:19: damaged; data.on_bad_image = \"skip\" passes over such pictures");
    CHECK(loader.next()->number == 3);
  }
}

TEST_CASE("loader: other errors of a worker surface too, and skip does not hide them") {
  FakeDataset data(40);
  data.broken_memory = 9;
  LoaderOptions options = small_options(false);
  options.workers = 2;
  options.on_bad_image = OnBadImage::skip;
  Loader loader(data, options);
  loader.start(0);
  CHECK(loader.next());
  CHECK_THROWS_AS(loader.next(), std::bad_alloc);
}

TEST_CASE("loader: skip leaves bad pictures out of evaluation") {
  const FakeDataset data(40, {0, 19, 24, 25, 26, 27, 28, 29, 30, 31});
  LoaderOptions options = small_options(false);
  options.on_bad_image = OnBadImage::skip;
  options.max_bad_fraction = 0.25;
  const Run alone = epoch(data, options, 0);
  CHECK(alone.sizes == std::vector<int64_t>{7, 8, 7, 8});  // the fourth batch is empty
  CHECK(alone.indices.size() == 30);
  for (size_t i = 0; i < 30; ++i) {  // rows moved up with their pixels and targets
    const auto sample = static_cast<uint8_t>(alone.indices[i]);
    CHECK(alone.pixels[i * 108 + 107] == sample);
    CHECK(alone.targets[i * 3 + sample % 3] == 1.0f);
  }
  options.workers = 3;
  CHECK(epoch(data, options, 0) == alone);

  Loader loader(data, options);
  loader.start(0);
  CHECK(loader.bad_pictures().empty());
  loader.next();
  REQUIRE(loader.bad_pictures().size() == 1);
  rest_of_epoch(loader);
  REQUIRE(loader.bad_pictures().size() == 10);
  CHECK(loader.bad_pictures()[1].sample == 19);
  CHECK(loader.bad_pictures()[1].source == "fake:19");
  CHECK(loader.bad_pictures()[1].error == "fake:19: damaged");
}

TEST_CASE("loader: skip replaces bad pictures in training by the next good one of the order") {
  const std::set<int64_t> bad = {3, 4, 17};
  const FakeDataset data(24, bad);
  LoaderOptions options = small_options(true);
  options.on_bad_image = OnBadImage::skip;
  options.max_bad_fraction = 0.125;
  const std::vector<int64_t> order = epoch_order(24, options.seed, 1);
  std::vector<int64_t> expected;
  for (size_t p = 0; p < 24; ++p) {
    size_t q = p;
    while (bad.contains(order[q % 24])) {
      ++q;
    }
    expected.push_back(order[q % 24]);
  }
  for (const int workers : {0, 4}) {
    options.workers = workers;
    const Run run = epoch(data, options, 1);
    CHECK(run.indices == expected);
    CHECK(run.sizes == std::vector<int64_t>{8, 8, 8});
    for (size_t i = 0; i < 24; ++i) {
      CHECK(run.targets[i * 3 + static_cast<size_t>(run.indices[i] % 3)] == 1.0f);
    }
  }
}

TEST_CASE("loader: too many bad pictures are an error") {
  const FakeDataset data(40, {1, 2, 3});
  for (const bool training : {false, true}) {
    LoaderOptions options = small_options(training);
    options.on_bad_image = OnBadImage::skip;
    options.max_bad_fraction = 0.075;
    CHECK(epoch(data, options, 0).indices.size() == (training ? 40 : 37));
    options.max_bad_fraction = 0.05;
    CHECK(message_of<DataError>([&] { epoch(data, options, 0); }) ==
          "3 of 40 pictures cannot be loaded, more than data.max_bad_fraction = 0.05 allows; the "
          "first is fake:1: fake:1: damaged");
  }
  std::set<int64_t> all;
  for (int64_t i = 0; i < 40; ++i) {
    all.insert(i);
  }
  const FakeDataset ruin(40, all);
  LoaderOptions options = small_options(true);
  options.on_bad_image = OnBadImage::skip;
  CHECK_THROWS_AS(epoch(ruin, options, 0), DataError);
  CHECK(ruin.loads == 8);  // one batch, one try a row: more would change nothing
}

TEST_CASE("loader: small sets stay decoded, with the same pixels") {
  const FakeDataset data(30);
  LoaderOptions options = small_options(true);
  options.augment = AugmentPolicy{};
  options.workers = 3;
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
  CHECK(error([](auto& o) { o.image_size = 0; }) ==
        "loader: image_size is 0, expected 1 to 65535");
  CHECK(error([](auto& o) { o.workers = -2; }) ==
        "loader: workers is -2, expected -1 (automatic) to 1024");
  CHECK(error([](auto& o) { o.prefetch = 0; }) == "loader: prefetch is 0, expected 1 or more");
  CHECK(error([](auto& o) { o.max_bad_fraction = 2; }) ==
        "loader: max_bad_fraction is 2, expected 0 to 1");
  Loader loader(data, small_options(true));
  CHECK(message_of<UsageError>([&] { loader.start(0, 2); }) == "loader: batch 2 of an epoch of 1");
}

TEST_CASE("inspect: counts, histogram, bad pictures") {
  const FakeDataset data(30, {7, 22});
  for (const int workers : {1, 4}) {
    const DatasetReport report = inspect(data, true, workers);
    CHECK(report.samples == 30);
    CHECK(report.positives == std::vector<int64_t>{10, 10, 10});
    CHECK(report.ignored == std::vector<int64_t>{10, 10, 10});
    CHECK(report.label_histogram == std::vector<int64_t>{0, 30});
    CHECK(report.labels_per_sample() == 1);
    REQUIRE(report.bad.size() == 2);
    CHECK(report.bad[0].sample == 7);
    CHECK(report.bad[1].error == "fake:22: damaged");
    CHECK(report.smallest_side == 9);
    CHECK(report.largest_side == 16);
  }
  CHECK(inspect(data, false).bad.empty());  // nothing decoded
  FakeDataset broken(30);
  broken.broken_memory = 5;
  CHECK_THROWS_AS(inspect(broken, true, 2), std::bad_alloc);

  TemporaryFolder folder;
  folder.write_picture("train/a/1.ppm", 1);
  folder.write("train/a/2.ppm", "");
  folder.write("train/a/3.ppm", "P6\n9 9\n255\nshort");
  DataOptions options;
  options.root = folder.path();
  const auto files = open_dataset(options, "train");
  fs::remove(folder.path() / "train/a/1.ppm");
  const DatasetReport quick = inspect(*files, false), full = inspect(*files, true);
  REQUIRE(quick.bad.size() == 2);
  CHECK(quick.bad[0].error.ends_with("1.ppm: cannot open: No such file or directory"));
  CHECK(quick.bad[1].error.ends_with("2.ppm: the file is empty"));
  REQUIRE(full.bad.size() == 3);
  CHECK(full.bad[2].source == "train/a/3.ppm");
}

}  // namespace mld::test
