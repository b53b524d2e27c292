// What a data set's labels are like.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace mld {

// How often every class is shown, and how many classes a picture shows.
struct LabelCounts {
  int64_t pictures = 0;
  std::vector<int64_t> present, unknown;  // [K] pictures. `unknown` has listed labels only
  std::vector<int64_t> labels_histogram;  // [most + 1] pictures with 0, 1, 2, ... present labels
};
LabelCounts count_labels(const Dataset& data);

// Which of the commonest classes are shown together.
struct CoOccurrence {
  std::vector<int64_t> classes;        // [T] columns: most pictures first, then the lower column
  std::vector<int64_t> together;       // [T, T] pictures that show both i and j
  std::vector<int64_t> known;          // [T, T] pictures that show i and whose label j is known

  // P(j | i): the share of the pictures showing i that show j too, among those where j is known; 0
  // without any. Indices into `classes`.
  double share(size_t i, size_t j) const;
};
// At most `most` classes, only such as are shown. O(labels + pictures x most), most^2 x 16 bytes.
CoOccurrence co_occurrence(const Dataset& data, int64_t most = 30);

}  // namespace mld
