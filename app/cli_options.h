// What the parsers of both programs' command lines share.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/cli.h"

namespace mld {

// One command's options.
class Options : public CLI::App {
 public:
  Options(std::string_view program, std::string_view help);

  // Arguments that are not options, in order. For --help and --version throws the PrintText.
  // Errors: UsageError for unknown options and values that do not fit.
  std::vector<std::string> positionals(std::span<const std::string> arguments);

 private:
  [[noreturn]] void refuse(const std::string& name) const;

  std::string_view program_, help_;
  bool version_ = false;
};

// Splits positional arguments into one file, which is a `what`, and overrides.
void split(const std::vector<std::string>& positionals, std::string_view what, std::string& file,
           std::vector<std::string>& overrides);

// Parses with the parser of the command that the arguments start with, else with `alone`, which
// gets the commands' names.
template <class Command>
Command parse_command(
    const std::map<std::string, Command (*)(std::span<const std::string>)>& commands,
    Command (*alone)(std::span<const std::string>, const std::vector<std::string>& commands),
    std::span<const std::string> arguments) try {
  const auto found = arguments.empty() ? commands.end() : commands.find(arguments[0]);
  if (found != commands.end()) {
    return found->second(arguments.subspan(1));
  }
  std::vector<std::string> names;
  for (const auto& [name, parse] : commands) {
    names.push_back(name);
  }
  return alone(arguments, names);
} catch (const PrintText& print) {
  return print;
}

}  // namespace mld
