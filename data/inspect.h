// Checking a whole data set before training on it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace mld {

struct BadPicture {
  int64_t sample = 0;
  std::string source, error;
};

// A count of pictures with a common property.
struct PictureCount {
  int64_t count = 0;
  int64_t first = -1;   // the first such sample
  std::string example;  // its description, for messages

  void add(int64_t sample, const std::string& what) {
    if (count++ == 0 || sample < first) {
      first = sample;
      example = what;
    }
  }
};

// What `mltrain check` reports about a split.
struct DatasetReport {
  int64_t samples = 0;
  std::vector<std::string> class_names;  // [K]
  std::vector<int64_t> positives;        // [K] samples with Label::present
  std::vector<int64_t> unknown;          // [K] samples with Label::unknown
  std::vector<int64_t> label_histogram;  // [most + 1] samples with 0, 1, 2, ... present labels
  std::vector<BadPicture> bad;           // missing, empty or (if decoded) damaged; by sample
  bool decoded = false;                  // whether every picture was decoded
  double decode_seconds = 0;             // summed over all threads
  int smallest_side = 0, largest_side = 0;  // pixels, of the decoded pictures
  PictureCount damaged;      // decoded, with damage that affects no pixel
  PictureCount turned;       // EXIF says they are not stored upright
  PictureCount transparent;  // with an alpha channel or a transparent colour

  double labels_per_sample() const;
  // "6 pictures turned by EXIF (...), such as a.jpg", and so on; nothing about bad ones.
  std::vector<std::string> picture_notes() const;
};

// Checks every sample: its labels, and that its file exists (decode_all: that it decodes).
// workers <= 0: all processors.
DatasetReport inspect(const Dataset& data, bool decode_all, int workers = 0);

// The pictures below `root` that belong to no split, in byte order.
std::vector<std::string> unused_pictures(const std::filesystem::path& root,
                                         std::span<const Dataset* const> splits);

}  // namespace mld
