// Pictures that cannot be loaded: in the loader and in inspect().
#include <algorithm>

#include "data/formats/open.h"
#include "data/inspect.h"
#include "data/epoch_order.h"
#include "tests/fake_dataset.h"

namespace mld::test {

TEST_CASE("loader: a bad picture is an error in the batch that needs it") {
  const FakeDataset data(40, {19});
  for (const int workers : {0, 3}) {
    LoaderOptions options = small_options(false);
    options.loading.workers = workers;
    Loader loader(data, options);
    loader.start(0);
    CHECK(loader.next());
    CHECK(loader.next());
    CHECK(message_of<DataError>([&] { loader.next(); }) ==
          "fake:19: damaged; mend or remove the file, or set data.on_bad_image = \"skip\" to go on "
          "without such pictures");
    CHECK(loader.next()->number == 3);
  }
}

TEST_CASE("loader: memory that a worker lacks is an error that names the picture, not a bad one") {
  FakeDataset data(40);
  data.broken_memory = 9;
  LoaderOptions options = small_options(false);
  options.loading.workers = 2;
  options.loading.on_bad_image = OnBadImage::skip;
  Loader loader(data, options);
  loader.start(0);
  CHECK(loader.next());
  CHECK_THROWS_WITH_AS(loader.next(), "fake:9: not enough memory to load this picture",
                       OutOfMemory);
}

TEST_CASE("loader: skip leaves bad pictures out of evaluation") {
  const FakeDataset data(40, {0, 19, 24, 25, 26, 27, 28, 29, 30, 31});
  LoaderOptions options = small_options(false);
  options.loading.on_bad_image = OnBadImage::skip;
  options.loading.max_bad_fraction = 0.25;
  const Run alone = epoch(data, options, 0);
  CHECK(alone.sizes == std::vector<int64_t>{7, 8, 7, 8});  // the fourth batch is empty
  CHECK(alone.indices.size() == 30);
  for (size_t i = 0; i < 30; ++i) {  // rows moved up with their pixels and targets
    const auto sample = static_cast<uint8_t>(alone.indices[i]);
    CHECK(alone.pixels[i * 108 + 107] == sample);
    CHECK(alone.targets[i * 3 + sample % 3] == 1.0f);
    CHECK(alone.weights[i * 3 + (sample + 1) % 3] == 0.0f);
  }
  options.loading.workers = 3;
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
  options.loading.on_bad_image = OnBadImage::skip;
  options.loading.max_bad_fraction = 0.125;
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
    options.loading.workers = workers;
    const Run run = epoch(data, options, 1);
    CHECK(run.indices == expected);
    CHECK(run.sizes == std::vector<int64_t>{8, 8, 8});
    for (size_t i = 0; i < 24; ++i) {
      CHECK(run.targets[i * 3 + static_cast<size_t>(run.indices[i] % 3)] == 1.0f);
      CHECK(run.weights[i * 3 + static_cast<size_t>((run.indices[i] + 1) % 3)] == 0.0f);
    }
  }
}

TEST_CASE("loader: too many bad pictures are an error") {
  const FakeDataset data(40, {1, 2, 3});
  for (const bool training : {false, true}) {
    LoaderOptions options = small_options(training);
    options.loading.on_bad_image = OnBadImage::skip;
    options.loading.max_bad_fraction = 0.075;
    CHECK(epoch(data, options, 0).indices.size() == (training ? 40 : 37));
    options.loading.max_bad_fraction = 0.05;
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
  options.loading.on_bad_image = OnBadImage::skip;
  CHECK_THROWS_AS(epoch(ruin, options, 0), DataError);
  CHECK(ruin.loads == 8);  // one batch, one try per row: more would change nothing
}

TEST_CASE("inspect: counts, histogram, bad pictures") {
  const FakeDataset data(30, {7, 22});
  for (const int workers : {1, 4}) {
    const DatasetReport report = inspect(data, true, workers);
    CHECK(report.samples == 30);
    CHECK(report.positives == std::vector<int64_t>{10, 10, 10});
    CHECK(report.unknown == std::vector<int64_t>{10, 10, 10});
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
