// Shared by both programs: their outermost function, and what a command needs.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "app/cli.h"
#include "core/error.h"

namespace mld {

// Runs a program's body and returns its exit code; an exception becomes a message on stderr and its
// exit code, and so does a stdout that cannot be written. `arguments`: argv from argv[1] on.
int run_program(const char* name, int argc, char** argv,
                const std::function<ExitCode(const std::vector<std::string>& arguments)>& body);

ExitCode execute(const PrintText& print);

// Writes to stdout or stderr. That it failed is noticed at the end: see run_program().
template <class... Values>
void print(std::FILE* file, fmt::format_string<Values...> format, Values&&... values) {
  std::fputs(fmt::format(format, std::forward<Values>(values)...).c_str(), file);
}

// Sets the number of compute threads; 0 = all processors of this process (or OMP_NUM_THREADS).
// Errors: UsageError for a negative number.
void use_threads(int64_t threads);

}  // namespace mld
