// What a report is made of, read from run folders and their data.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/report/section.h"
#include "core/error.h"
#include "data/dataset.h"

namespace mld {

// f(), whose errors that say that something is not there become a gap.
template <class F>
auto or_gap(const char* what, std::vector<std::string>& gaps, F&& f)
    -> std::optional<decltype(f())> {
  try {
    return f();
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    gaps.push_back(fmt::format("{}: {}", what, error.what()));
  } catch (const std::filesystem::filesystem_error& error) {
    gaps.push_back(fmt::format("{}: {}", what, error.what()));
  }
  return std::nullopt;
}

// What can be missing without making the report useless becomes a gap: a reason.
// Errors: DataError for a folder that is no run.
ReportRun read_run(const std::filesystem::path& root, std::vector<std::string>& gaps);

// Takes the thresholds of the best weights' file, which `mlinfer thresholds` may have changed since
// val/metrics.json was written; if the two are of different weights, that is a gap. Not for a run
// that is training: it writes its weights after it has measured them.
void compare_with_weights(ReportRun& run, std::vector<std::string>& gaps);

// The kept scores of a split, analysed; nullopt, perhaps with a gap, if there are none that can be
// used. `data`: the split as it was scored; null: no pictures.
// Those of val that are not of what val/metrics.json measured are a gap too.
std::optional<SplitScores> read_scores(const ReportRun& run, const std::string& split,
                                       const Dataset* data, const ShownCounts& counts,
                                       std::vector<std::string>& gaps);

}  // namespace mld
