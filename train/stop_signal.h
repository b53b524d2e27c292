// SIGINT, SIGTERM and SIGHUP ask the run to stop after the current step. A second SIGINT or SIGTERM
// exits immediately; a second SIGHUP does not, since a closing terminal may send two.
#pragma once

namespace mld {

// Installs the handlers; if SIGHUP is ignored (nohup), it stays so. From then on, writing to a
// closed pipe is an error, not a signal: if a log's reader exits, the run goes on. Call once, from
// a program's main.
void install_stop_handlers();

// Whether a stop was requested. Safe from any thread.
bool stop_requested();

}  // namespace mld
