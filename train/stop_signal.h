// SIGINT and SIGTERM: the first asks the run to stop after its step, the second leaves at once.
#pragma once

namespace mld {

// Installs the handlers. Call once, from a program's main.
void install_stop_handlers();

// Whether a stop was asked for. Safe from any thread.
bool stop_requested();

}  // namespace mld
