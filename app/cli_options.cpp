#include "app/cli_options.h"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.h"
#include "data/text.h"

namespace mld {

// "key=value" with a key of letters, digits, '_', '-' and '.'; not a path such as "runs/lr=1/x".
static bool is_override(std::string_view argument) {
  const size_t equals = argument.find('=');
  return equals != std::string_view::npos && equals > 0 &&
         std::all_of(argument.begin(), argument.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
                     });
}

Options::Options(std::string_view program, std::string_view help)
    : CLI::App(std::string(program)), program_(program), help_(help) {
  set_help_flag("-h,--help");
  allow_extras();
  add_flag("--version", version_);
}

std::vector<std::string> Options::positionals(std::span<const std::string> arguments) {
  try {
    parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    throw PrintText{std::string(help_)};
  } catch (const CLI::ParseError& error) {
    fail<UsageError>("{} (see {} --help)", printable(error.what()), program_);
  }
  if (version_) {
    throw PrintText{fmt::format("{} {}\n", program_, kVersion)};
  }
  std::vector<std::string> found;
  bool only_positionals = false;
  for (const std::string& argument : remaining()) {
    if (!only_positionals && argument == "--") {
      only_positionals = true;
    } else if (!only_positionals && argument.size() > 1 && argument[0] == '-') {
      refuse(argument.substr(0, argument.find('=')));
    } else {
      found.push_back(argument);
    }
  }
  return found;
}

void Options::refuse(const std::string& name) const {
  std::vector<std::string> names;
  for (const CLI::Option* option : get_options()) {
    names.push_back(option->get_name());
  }
  fail<UsageError>("unknown option {}{} (see {} --help)", printable(name),
                   did_you_mean(name, names), program_);
}

void split(const std::vector<std::string>& positionals, std::string_view what, std::string& file,
           std::vector<std::string>& overrides) {
  for (const std::string& argument : positionals) {
    if (is_override(argument)) {
      overrides.push_back(argument);
    } else if (file.empty()) {
      file = argument;
    } else {
      fail<UsageError>("unexpected argument '{}': the {} is '{}' already, and overrides look like "
                       "section.key=value",
                       printable(argument), what, printable(file));
    }
  }
}

}  // namespace mld
