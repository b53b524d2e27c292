#include "app/report/data_summary.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

#include "app/report/pictures.h"
#include "core/error.h"
#include "core/parallel.h"
#include "data/loader.h"

namespace mld {
namespace {

// Samples spread evenly over a split, in an order whose parts are spread too: their places differ
// by about the golden section (of those whose steps reach all places the nearest one).
std::vector<int64_t> spread(int64_t size, int64_t most) {
  const int64_t count = std::min(most, size);
  int64_t stride = std::max<int64_t>(1, std::llround(0.618 * static_cast<double>(count)));
  while (std::gcd(stride, count) > 1) {
    ++stride;
  }
  std::vector<int64_t> samples;
  for (int64_t i = 0; i < count; ++i) {
    samples.push_back(i * stride % count * size / count);
  }
  return samples;
}

// What a look at one picture found; neither: there was no time.
struct Looked {
  std::optional<SplitSummary::Size> size{};
  std::string error{};
};

SplitSummary summarize_split(const Dataset& data, const LookLimits& limits,
                             const std::function<double()>& clock) {
  SplitSummary summary{.class_names = data.class_names(), .labels = count_labels(data),
                       .sizes = {}, .bad = {}};
  const std::vector<int64_t> samples = spread(data.size(), limits.pictures);
  std::map<int64_t, Looked> looked;  // by sample
  for (const int64_t sample : samples) {
    looked[sample];
  }
  const double end = clock() + limits.seconds;
  parallel_for(std::ssize(samples), 1, [&](int64_t begin, int64_t until) {
    for (int64_t i = begin; i < until && clock() < end; ++i) {
      const int64_t sample = samples[static_cast<size_t>(i)];
      Looked& one = looked.at(sample);
      try {
        const Image image = data.load(sample);
        one.size = {image.width, image.height};
      } catch (const DataError& error) {
        one.error = error.what();
      }
    }
  });
  for (const auto& [sample, one] : looked) {
    if (one.size) {
      summary.sizes.push_back(*one.size);
    } else if (!one.error.empty()) {
      summary.bad.push_back({sample, data.source(sample), one.error});
    }
  }
  return summary;
}

// The names of the classes with a positive target.
std::string labels_of(const float* targets, const std::vector<std::string>& names) {
  std::string text;
  for (size_t k = 0; k < names.size(); ++k) {
    if (targets[k] > 0) {
      text += (text.empty() ? "" : ", ") + names[k];
      text += targets[k] < 1 ? fmt::format(" {:.2f}", targets[k]) : "";
    }
  }
  return text.empty() ? "no label" : text;
}

std::vector<AugmentedPicture> augmented_batch(const Dataset& train, const Config& config) {
  constexpr int64_t kMost = 24;
  constexpr int kSide = 112;
  LoaderOptions options = loader_options(config, Purpose::training);
  options.batch_size = std::min({kMost, options.batch_size, train.size()});
  options.loading.workers = 0;
  options.loading.on_bad_image = OnBadImage::skip;
  options.loading.max_bad_fraction = 1;
  options.cache_bytes = 0;
  options.prefetch = 1;
  Loader loader(train, options);
  loader.start(0);
  const std::optional<Batch> batch = loader.next();
  std::vector<AugmentedPicture> pictures;
  if (!batch) {
    return pictures;
  }
  const auto side = static_cast<int>(batch->images.shape()[1]);
  const int64_t classes = batch->targets.shape()[-1];
  for (int64_t i = 0; i < batch->images.shape()[0]; ++i) {
    Image image(side, side);
    const auto bytes = static_cast<int64_t>(image.rgb.size());
    const uint8_t* pixels = batch->images.data<uint8_t>() + i * bytes;
    std::copy(pixels, pixels + bytes, image.rgb.begin());
    pictures.push_back({thumbnail(image, kSide),
                        labels_of(batch->targets.data<float>() + i * classes,
                                  train.class_names())});
  }
  return pictures;
}

}  // namespace

DataSummary summarize(const Splits& splits, const Config& config, const LookLimits& limits,
                      const std::function<double()>& clock) {
  DataSummary summary{.train = summarize_split(*splits.train, limits, clock),
                      .val = summarize_split(*splits.val, limits, clock),
                      .together = co_occurrence(*splits.train),
                      .mosaic = {}, .notes = {}};
  try {
    summary.mosaic = augmented_batch(*splits.train, config);
  } catch (const Error& error) {
    summary.notes.push_back(fmt::format("no augmented pictures: {}", error.what()));
  }
  return summary;
}

}  // namespace mld
