// What a report is made of, read from run folders and their data.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/report/section.h"
#include "data/dataset.h"

namespace mld {

// What can be missing without making the report useless becomes a gap: a reason.
// Errors: DataError for a folder that is no run.
ReportRun read_run(const std::filesystem::path& root, std::vector<std::string>& gaps);

// The kept scores of a split, analysed; nullopt, perhaps with a gap, if there are none that can be
// used. `data`: the split as it was scored; null: no pictures.
std::optional<SplitScores> read_scores(const ReportRun& run, const std::string& split,
                                       const Dataset* data, const ShownCounts& counts,
                                       std::vector<std::string>& gaps);

}  // namespace mld
