// Where a run's best weights look, in pictures that show a class.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/report/labelled_picture.h"
#include "data/dataset.h"
#include "train/run_folder.h"

namespace mld {

struct ReportRun;

struct AttentionSummary {
  struct OfClass {
    std::string name;
    std::optional<double> ap{};  // percent, if it was measured
    std::vector<LabelledPicture> pictures{};  // with labels that they have, this class's first
  };
  int heads = 0;
  std::vector<OfClass> classes;  // the worst AP first
};

// At most 12 classes, of more the worst and the best half, with at most two pictures of val that
// show each. nullopt if the head has no attention, or with one more of `gaps` if the weights cannot
// be used. A picture that cannot be read is left out.
std::optional<AttentionSummary> look_at_attention(const ReportRun& run, const Dataset& val,
                                                  std::vector<std::string>& gaps);

}  // namespace mld
