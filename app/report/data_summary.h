// What the report shows of a run's data: counts of labels, and a look at some of its pictures.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/formats/open.h"
#include "data/inspect.h"
#include "data/label_statistics.h"
#include "train/config.h"
#include "train/run_log.h"

namespace mld {

struct SplitSummary {
  struct Size {
    int width = 0, height = 0;
  };
  std::vector<std::string> class_names;
  LabelCounts labels;           // of every picture
  std::vector<Size> sizes;      // of the pictures looked at, evenly spread over the split
  std::vector<BadPicture> bad;  // of these
};

// A picture as training sees it.
struct AugmentedPicture {
  std::vector<uint8_t> jpeg;
  std::string labels;  // names, with shares if the batch is mixed
};

struct DataSummary {
  SplitSummary train, val;
  CoOccurrence together;  // of the commonest classes of train
  std::vector<AugmentedPicture> mosaic;  // of an epoch's first pictures
  std::vector<std::string> notes;        // why something above is missing
};

// How many pictures of a split are decoded at most: all compute threads stop after that time.
struct LookLimits {
  int64_t pictures = 0;
  double seconds = 0;
};

// Errors: as Dataset::load(), but DataError, which makes a picture a bad one.
DataSummary summarize(const Splits& splits, const Config& config, const LookLimits& limits,
                      const std::function<double()>& clock = monotonic_seconds);

}  // namespace mld
