// Stands for app/report/ in a build without ctemplate.
#include "app/gallery.h"
#include "app/report.h"

namespace mld {

ExitCode write_report(const ReportCommand&) {
  fail("report: this build writes no reports (it was made with -DMLD_REPORT=OFF); build with "
       "-DMLD_REPORT=ON, which needs the package libctemplate-dev");
}

std::unique_ptr<Gallery> open_gallery(const PredictCommand&, const Recognizer&, int64_t, int) {
  fail("predict: --html: this build writes no pages (it was made with -DMLD_REPORT=OFF); build "
       "with -DMLD_REPORT=ON, which needs the package libctemplate-dev");
}

void add_report(RunLog&, const RunFolder&, const Config&, const Splits&, TimeShare&) {}

}  // namespace mld
