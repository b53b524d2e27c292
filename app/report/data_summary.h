// What the report shows of a run's data: counts of labels, and a look at some of its pictures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/formats/open.h"
#include "data/inspect.h"
#include "data/label_statistics.h"
#include "train/config.h"

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

// pictures: how many of a split to decode.
DataSummary summarize(const Splits& splits, const Config& config, int64_t pictures);

}  // namespace mld
