// report.html: a run in pictures and tables, one file that needs no other (app/report/).
#pragma once

#include "app/cli.h"
#include "app/time_share.h"
#include "core/error.h"
#include "data/formats/open.h"
#include "train/config.h"
#include "train/run_log.h"

namespace mld {

// mltrain report: writes the page and prints where. Errors: DataError for a folder that is no run;
// whatever else is missing is said in the page.
ExitCode write_report(const ReportCommand& command);

// From now on the log writes the run's report: after this process's first epoch, after the run's
// last one, when it ends or is stopped, and after the epochs in between for which there is time.
// One that cannot be written is a warning. All must outlive the log. A build without reports does
// nothing.
void add_report(RunLog& log, const RunFolder& folder, const Config& config, const Splits& splits,
                TimeShare& time);

}  // namespace mld
