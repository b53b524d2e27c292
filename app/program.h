// Shared by both programs: their outermost function.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/error.h"

namespace mld {

// Runs a program's body and returns its exit code; an exception becomes a message on stderr and its
// exit code. `argv`: main's.
int run_program(const char* name, char** argv,
                const std::function<ExitCode(const std::vector<std::string>& arguments)>& body);

// Sets the number of compute threads; 0 = all processors of this process (or OMP_NUM_THREADS).
// Errors: UsageError for a negative number.
void use_threads(int64_t threads);

}  // namespace mld
