#include "train/stop_signal.h"

#include <unistd.h>

#include <csignal>

#include "core/error.h"

namespace mld {
namespace {

volatile std::sig_atomic_t g_stop = 0, g_terminal = 0;

extern "C" void on_stop_signal(int number) {
  if (g_stop != 0 && number != SIGHUP) {
    if (g_terminal != 0) {  // a line of progress may be half drawn
      constexpr char kLineEnd = '\n';
      [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, &kLineEnd, 1);
    }
    _exit(static_cast<int>(ExitCode::stopped));  // nothing else is safe in a handler
  }
  g_stop = 1;
}

}  // namespace

void install_stop_handlers() {
  g_terminal = ::isatty(STDERR_FILENO);
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction inherited = {};
  if (sigaction(SIGHUP, nullptr, &inherited) == 0 && inherited.sa_handler != SIG_IGN) {
    sigaction(SIGHUP, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() { return g_stop != 0; }

}  // namespace mld
