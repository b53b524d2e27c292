#include "train/assemble.h"

#include <algorithm>

#include "data/text.h"

namespace mld {

DataOptions data_options(const Config& config, LabelSpace label_space) {
  DataOptions options = config.data;
  options.decode = decode_options(config.preprocess, config.loading.max_pixels);
  options.image_size = config.preprocess.image_size;
  options.seed = static_cast<uint64_t>(config.seed);
  options.label_space = std::move(label_space);
  return options;
}

LoaderOptions loader_options(const Config& config, Purpose purpose) {
  LoaderOptions options{.batch_size = config.train.batch_size,
                        .preprocess = config.preprocess,
                        .loading = config.loading,
                        .training = purpose == Purpose::training,
                        .drop_last = purpose == Purpose::training,
                        .seed = static_cast<uint64_t>(config.seed),
                        .augment = std::nullopt};
  if (options.training) {
    options.augment = config.augment;
  }
  return options;
}

void check_labels(const Config& config, const Dataset& split) {
  if (config.task != Task::single_label) {
    return;
  }
  for (int64_t i = 0; i < split.size(); ++i) {
    const auto present =
        std::ranges::count(split.labels(i), Label::present, &LabelEntry::label);
    require<DataError>(present == 1,
                       "{}: {} labels, but task = \"single-label\" needs exactly one a picture; "
                       "use task = \"multi-label\"", printable(split.source(i)), present);
  }
}

}  // namespace mld
