#include "app/program.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>

#include "app/progress.h"
#include "core/parallel.h"
#include "data/loader.h"
#include "data/text.h"

namespace mld {

// Idle OpenMP threads spin by default, which halves the speed of whatever else is running (above
// all loader threads). The runtime reads its settings when it is loaded, before main, so changing
// them requires restarting the program: a few milliseconds.
static void restart_with_passive_waiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") == nullptr && std::getenv("GOMP_SPINCOUNT") == nullptr) {
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv);
    // exec failed: there is no /proc. The program works, only more slowly beside others.
  }
}

static int report(const char* name, const char* message, ExitCode code) {
  std::fflush(stdout);
  const std::string text = colored("error:", 31, stderr_style()) + " " + printable_lines(message);
  std::fprintf(stderr, "%s: %s\n", name, text.c_str());
  return static_cast<int>(code);
}

ExitCode execute(const PrintText& print) {
  std::fputs(print.text.c_str(), stdout);
  return ExitCode::ok;
}

int run_program(const char* name, int argc, char** argv,
                const std::function<ExitCode(const std::vector<std::string>&)>& body) {
  restart_with_passive_waiting(argv);
  clear_line_when_killed();
  try {
    const ExitCode code = body({argv + std::min(argc, 1), argv + argc});
    if (std::fflush(stdout) != 0) {
      return report(name, "standard output cannot be written", ExitCode::failure);
    }
    return static_cast<int>(code);
  } catch (const Error& error) {
    return report(name, error.what(), error.code());
  } catch (const std::filesystem::filesystem_error& error) {
    return report(name, fmt::format("{}: {}", printable(error.path1().native()),
                                    error.code().message()).c_str(), ExitCode::data);
  } catch (const std::bad_alloc&) {
    return report(name, "out of memory; try a smaller train.batch_size or data.image_size",
                  ExitCode::memory);
  } catch (const std::exception& error) {
    return report(name, error.what(), ExitCode::failure);
  }
}

void use_threads(int64_t threads) {
  require<UsageError>(threads >= 0, "threads: {} is negative; 0 means all", threads);
  if (threads > 0) {
    set_threads(static_cast<int>(threads));
  } else if (std::getenv("OMP_NUM_THREADS") == nullptr) {
    set_threads(usable_processors());
  }
}

}  // namespace mld
