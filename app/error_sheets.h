// Pictures of a run's worst errors, for the logs that show pictures (TensorBoard).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "app/time_share.h"
#include "data/formats/open.h"
#include "data/image.h"
#include "train/config.h"
#include "train/run_log.h"

namespace mld {

// Rows of pictures, at most `columns` in one, each within a square of `side` pixels with a frame of
// its row's colour; a picture without pixels leaves its place empty.
struct SheetRow {
  std::vector<Image> pictures;
  Rgb frame = {};
};
Image contact_sheet(std::span<const SheetRow> rows, int columns, int side);

// From now on, after an epoch that was the best so far, the log gets a picture for each of the four
// classes with the lowest AP: "worst_errors/NAME", above those that are not there but found, below
// those that are there but missed. Nothing without event files or scores, or if there is no time.
// All must outlive the run.
void add_error_sheets(RunLog& log, const Config& config, const Splits& splits, TimeShare& time);

}  // namespace mld
