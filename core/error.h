// Errors: every failure is an exception that knows its message and the exit code it leads to.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace mld {

// The programs' exit codes: what a script may rely on.
enum class ExitCode {
  ok = 0,
  failure = 1,   // anything not listed below
  usage = 2,     // command line or config
  data = 3,      // data or checkpoint missing, unreadable, malformed, inconsistent
  numeric = 4,   // NaN or Inf in loss or gradients
  memory = 5,    // out of memory, host or device
  stopped = 75,  // a signal; the state was saved
};

// A message for the user: what happened, where, what was expected, one thing to try.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::failure)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

template <ExitCode exit_code>
struct ErrorWith : Error {
  explicit ErrorWith(const std::string& message) : Error(message, exit_code) {}
};
using UsageError = ErrorWith<ExitCode::usage>;
using DataError = ErrorWith<ExitCode::data>;
using NumericError = ErrorWith<ExitCode::numeric>;
using OutOfMemory = ErrorWith<ExitCode::memory>;

// Throws E with the formatted message.   fail<DataError>("{}: truncated at byte {}", path, at);
template <class E = Error, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

// Throws E unless the condition holds. The message starts with the op's or the file's name.
template <class E = Error, class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]] {
    fail<E>(format, std::forward<Args>(args)...);
  }
}

}  // namespace mld
