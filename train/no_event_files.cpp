// Event files for a build without protobuf: none.
#include "core/error.h"
#include "train/event_files.h"

namespace mld {

bool can_write_event_files() { return false; }

std::unique_ptr<LogSink> event_sink(const RunFolder&, int64_t) {
  fail("this build cannot write event files (it was made with -DMLD_PROTOBUF=OFF)");
}

void cut_event_files(const RunFolder&, int64_t) {}

}  // namespace mld
