#include "app/report/data_summary.h"

#include <algorithm>

#include "app/report/pictures.h"
#include "core/error.h"
#include "data/loader.h"

namespace mld {
namespace {

SplitSummary summarize_split(const Dataset& data, int64_t pictures) {
  SplitSummary summary{.class_names = data.class_names(), .labels = count_labels(data),
                       .sizes = {}, .bad = {}};
  const int64_t looked_at = std::min(pictures, data.size());
  for (int64_t i = 0; i < looked_at; ++i) {
    const int64_t sample = i * data.size() / looked_at;
    try {
      const Image image = data.load(sample);
      summary.sizes.push_back({image.width, image.height});
    } catch (const DataError& error) {
      summary.bad.push_back({sample, data.source(sample), error.what()});
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

DataSummary summarize(const Splits& splits, const Config& config, int64_t pictures) {
  DataSummary summary{.train = summarize_split(*splits.train, pictures),
                      .val = summarize_split(*splits.val, pictures),
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
