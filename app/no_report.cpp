// Stands for app/report/ in a build without ctemplate.
#include "app/report.h"

namespace mld {

ExitCode write_report(const ReportCommand&) {
  fail("report: this build writes no reports (it was made with -DMLD_REPORT=OFF); build with "
       "-DMLD_REPORT=ON, which needs the package libctemplate-dev");
}

void add_report(RunLog&, const RunFolder&, const Config&, const Splits&) {}

}  // namespace mld
