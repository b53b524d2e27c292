// The kept scores of a split as the report shows them: analysed, with the pictures they point at.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/analysis/analysis.h"
#include "train/scores.h"

namespace mld {

struct ShownPicture {
  int64_t sample = 0;         // of the split
  bool large = false;         // with a thumbnail, or only named
  std::string labels;         // what it is labelled with
  std::string source;         // where it comes from; "" without the data
  std::vector<uint8_t> jpeg;  // the thumbnail; empty: none, the picture cannot be read, or no data

  std::string name() const;        // the source, or which picture of the split it is
  std::string short_name() const;  // without folders
};

// What is shown at most.
struct ShownCounts {
  int64_t classes = 24;       // with their worst errors
  int64_t errors = 6;         // false positives, and as many false negatives, per class
  int64_t label_errors = 60;  // with thumbnails; kListed are named
  static constexpr int64_t kListed = 200;
};

// What the scores' columns mean.
struct ScoredClasses {
  std::vector<std::string> names;  // [K]
  std::vector<double> thresholds;  // [K], or none: 0.5
  bool single_label = false;
};

struct SplitScores {
  std::string split;  // "val"
  ScoredClasses classes;
  int64_t samples = 0;  // scored
  ScoredWeights weights{};
  std::string run = "RUN";  // its folder, as a command names it
  Analysis analysis;
  std::vector<size_t> worst_classes;         // those with errors whose AP is lowest, in that order
  std::map<int64_t, ShownPicture> pictures;  // by row of the scores
  std::string problem;                       // why no picture is shown; "": they are

  const ShownPicture& picture(int64_t row) const { return pictures.at(row); }
};

// Takes analyze()'s time. Errors: DataError if there are not K names, and analyze()'s.
SplitScores analyze_scores(std::string split, const Scores& scores, ScoredClasses classes,
                           const ShownCounts& counts = {});

// Names the pictures and decodes those that are shown, on all compute threads. If the scores are of
// other data, there is a problem instead. `scores` are those that were analysed.
void add_pictures(const Dataset& data, const Scores& scores, SplitScores& shown);

}  // namespace mld
