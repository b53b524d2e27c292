// Shared by the loader's tests: a data set without files, and everything that an epoch delivers.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "data/formats/file_dataset.h"
#include "data/loader.h"
#include "tests/data_files.h"

namespace mld::test {

// Pictures of one colour, a different one for each sample; some samples cannot be loaded. Sample i
// shows class i % 3, and whether it shows the next class is unknown.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(int64_t n, std::set<int64_t> bad = {})
      : Dataset({.names = {"a", "b", "c"}}), bad_(std::move(bad)) {
    for (int32_t i = 0; i < n; ++i) {
      labels_.add(std::vector<LabelEntry>{{i % 3}, {(i + 1) % 3, Label::unknown}});
    }
  }

  int64_t size() const override { return labels_.size(); }
  std::span<const LabelEntry> labels(int64_t i) const override { return labels_.row(i); }
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
    if (all_alike) {
      Image image(60, 40, 0);
      for (size_t at = 0; at < image.rgb.size(); ++at) {
        image.rgb[at] = static_cast<uint8_t>(at / 3 % 60 * 3 + at / 180);
      }
      return image;
    }
    Image image(12 + static_cast<int>(i % 5), 9, static_cast<uint8_t>(i));
    image.rgb[0] = 255;
    return image;
  }

  mutable std::atomic<int64_t> loads{0};
  int64_t broken_memory = -1;
  bool all_alike = false;  // every picture is the same gradient

 private:
  std::set<int64_t> bad_;
  LabelTable labels_;
};

inline LoaderOptions small_options(bool training) {
  LoaderOptions options;
  options.batch_size = 8;
  options.preprocess.image_size = 6;
  options.training = training;
  options.loading.workers = 0;
  return options;
}

inline AugmentPolicy flip_and_crop() {
  AugmentPolicy policy;
  policy.hflip = 0.5;
  policy.crop_scale = {0.3, 1};
  return policy;
}

// The contents of a series of batches.
struct Run {
  std::vector<int64_t> indices, sizes;
  std::vector<uint8_t> pixels;
  std::vector<float> targets, weights;
  bool operator==(const Run&) const = default;
};

inline Run rest_of_epoch(Loader& loader) {
  Run run;
  while (const std::optional<Batch> batch = loader.next()) {
    const auto* pixels = static_cast<const uint8_t*>(batch->images.raw());
    run.pixels.insert(run.pixels.end(), pixels, pixels + batch->images.bytes());
    const auto* targets = batch->targets.data<float>();
    run.targets.insert(run.targets.end(), targets, targets + batch->targets.numel());
    const auto* weights = batch->weights.data<float>();
    run.weights.insert(run.weights.end(), weights, weights + batch->weights.numel());
    run.indices.insert(run.indices.end(), batch->indices.begin(), batch->indices.end());
    run.sizes.push_back(batch->images.shape()[0]);
  }
  return run;
}

inline Run epoch(const Dataset& data, const LoaderOptions& options, int64_t number,
                 int64_t from = 0) {
  Loader loader(data, options);
  loader.start(number, from);
  return rest_of_epoch(loader);
}

}  // namespace mld::test
