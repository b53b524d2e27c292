// The numbers of a run's log for other programs, under the names that they show. Names with a
// common beginning up to '/' are one group there.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/run_log.h"

namespace mld {

using Scalars = std::vector<std::pair<std::string, double>>;

Scalars scalars_of(const StepReport& report);
// val_raw/NAME and val_ema/NAME are what results.csv calls val_raw and val_ema, of every metric.
Scalars scalars_of(const EpochReport& report);

}  // namespace mld
