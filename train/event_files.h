// TensorBoard's event files in a run folder (docs/formats.md): one per session, that is, per start
// or resumption of the run, since TensorBoard does not look back at a file that it has read.
// A build without protobuf (MLD_PROTOBUF=OFF) writes none.
#pragma once

#include <cstdint>
#include <memory>

#include "train/log_spec.h"
#include "train/run_log.h"

namespace mld {

bool can_write_event_files();
inline bool writes_event_files(const LogSpec& spec) {
  return spec.tensorboard != Wanted::off && can_write_event_files();
}

// Opens a new session's file. Errors: DataError if it cannot be written; Error in a build that
// cannot write event files.
std::unique_ptr<LogSink> event_sink(const RunFolder& folder, int64_t step);

// Cuts the files of earlier sessions before the first event beyond `step` or damaged record. A
// build that cannot write event files leaves them as they are.
void cut_event_files(const RunFolder& folder, int64_t step);

}  // namespace mld
