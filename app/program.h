// What both programs share: their outermost function.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/error.h"

namespace mld {

// Runs a program's body and returns its exit code; an exception becomes one message on stderr and
// the code it stands for. `argv` as main got it.
int run_program(const char* name, char** argv,
                const std::function<ExitCode(const std::vector<std::string>& arguments)>& body);

// Uses `threads` compute threads, 0 for all that this process may run on (or OMP_NUM_THREADS).
// Errors: UsageError for a negative number.
void use_threads(int64_t threads);

}  // namespace mld
