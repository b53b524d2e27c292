// SIGINT, SIGTERM and SIGHUP ask the run to stop after its step. Another SIGINT or SIGTERM leaves at
// once; not another SIGHUP, since a terminal that closes may send two.
#pragma once

namespace mld {

// Installs the handlers; a SIGHUP that is ignored (nohup) stays so. A closed pipe is from here on an
// error of the write, not a signal: a log's reader that goes away does not end the run. Call once,
// from a program's main.
void install_stop_handlers();

// Whether a stop was asked for. Safe from any thread.
bool stop_requested();

}  // namespace mld
