#include "app/cli.h"

#include <algorithm>
#include <map>
#include <set>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "app/config_file.h"
#include "core/error.h"
#include "data/text.h"
#include "models/naming.h"
#include "models/registry.h"

namespace mld {
namespace {

// "key=value" with a key of letters, digits, '_', '-' and '.'; not a path such as "runs/lr=1/x".
bool is_override(std::string_view argument) {
  const size_t equals = argument.find('=');
  return equals != std::string_view::npos && equals > 0 &&
         std::all_of(argument.begin(), argument.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
                     });
}

// One command's options.
class Options : public CLI::App {
 public:
  Options(std::string_view program, std::string_view help)
      : CLI::App(std::string(program)), program_(program), help_(help) {
    set_help_flag("-h,--help");
    allow_extras();
    add_flag("--version", version_);
  }

  // Arguments that are not options, in order. For --help and --version throws the PrintText.
  // Errors: UsageError for unknown options and values that do not fit.
  std::vector<std::string> positionals(std::span<const std::string> arguments) {
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

 private:
  [[noreturn]] void refuse(const std::string& name) const {
    std::vector<std::string> names;
    for (const CLI::Option* option : get_options()) {
      names.push_back(option->get_name());
    }
    fail<UsageError>("unknown option {}{} (see {} --help)", printable(name),
                     did_you_mean(name, names), program_);
  }

  std::string_view program_, help_;
  bool version_ = false;
};

// Splits positional arguments into one file, which is a `what`, and overrides.
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

MltrainCommand parse_train(std::span<const std::string> arguments,
                           const std::vector<std::string>& commands) {
  TrainCommand command;
  std::string device, section;
  Options options("mltrain", kMltrainHelp);
  options.add_option("--resume", command.resume);
  options.add_option("--out", command.out);
  options.add_option("--device", device);
  options.add_flag("--overwrite", command.overwrite);
  options.add_flag("--print-config", command.print_config);
  options.add_flag("--quiet", command.quiet);
  const CLI::Option* help_config_option =
      options.add_option("--help-config", section)->expected(0, 1);
  const std::vector<std::string> positionals = options.positionals(arguments);
  if (help_config_option->count() > 0) {
    return PrintText{help_config(section)};
  }
  if (!positionals.empty()) {
    const std::string& first = positionals[0];
    const bool bare = first.find_first_of("./=") == std::string::npos;
    require<UsageError>(!bare || first != "init", "init is not available in this version");
    require<UsageError>(!bare || nearest_name(first, commands).empty(),
                        "unknown command '{}'{} (see mltrain --help)", printable(first),
                        did_you_mean(first, commands));
  }
  split(positionals, "config", command.config, command.overrides);
  if (!device.empty()) {
    command.overrides.push_back("device=" + device);
  }
  require<UsageError>(!command.config.empty() || !command.resume.empty(),
                      "no config given, e.g. mltrain configs/shapes_resnet18.toml (see mltrain "
                      "--help)");
  require<UsageError>(command.resume.empty() || !command.overwrite,
                      "--resume continues a run, --overwrite empties it: give one of them");
  require<UsageError>(command.resume.empty() || command.out.empty(),
                      "--resume continues in the run's own folder: remove --out");
  return command;
}

MltrainCommand parse_check(std::span<const std::string> arguments) {
  CheckCommand command;
  std::string device;
  Options options("mltrain check", kMltrainHelp);
  options.add_option("--device", device);
  split(options.positionals(arguments), "config", command.config, command.overrides);
  require<UsageError>(!command.config.empty(), "check: no config given (see mltrain --help)");
  if (!device.empty()) {
    command.overrides.push_back("device=" + device);
  }
  return command;
}

// Parses all of `text` as an integer in a range. Errors: UsageError.
int64_t integer(const std::string& key, const std::string& text, int64_t low, int64_t high) {
  const auto value = number_of<int64_t>(text);
  require<UsageError>(value && *value >= low && *value <= high,
                      "shapes-export: {}: expected an integer from {} to {}, got '{}'", key,
                      low, high, printable(text));
  return *value;
}

MltrainCommand parse_shapes_export(std::span<const std::string> arguments) {
  constexpr int64_t kMost = 10'000'000;
  ShapesExportCommand command;
  ShapesExport& o = command.options;
  Options options("mltrain shapes-export", kMltrainHelp);
  std::vector<std::string> overrides;
  split(options.positionals(arguments), "folder", command.folder, overrides);
  require<UsageError>(!command.folder.empty(),
                      "shapes-export: no folder given (see mltrain --help)");
  for (const std::string& override : overrides) {
    const std::string key = override.substr(0, override.find('='));
    const std::string value = override.substr(key.size() + 1);
    if (key == "seed") {
      o.seed = static_cast<uint64_t>(integer(key, value, 0, INT64_MAX));
    } else if (key == "image_size") {
      o.image_size = static_cast<int>(integer(key, value, Preprocess::kLeastSize,
                                               Preprocess::kMostSize));
    } else if (key == "train" || key == "val" || key == "test") {
      (key == "train" ? o.train : key == "val" ? o.val : o.test) = integer(key, value, 0, kMost);
    } else if (key == "jpeg") {
      require<UsageError>(value == "true" || value == "false",
                          "shapes-export: jpeg: expected true or false, got '{}'",
                          printable(value));
      o.jpeg = value == "true";
    } else if (key == "jpeg_quality") {
      o.jpeg_quality = static_cast<int>(integer(key, value, 1, 100));
    } else {
      const std::vector<std::string> keys = {"seed", "image_size", "train", "val",
                                             "test", "jpeg",       "jpeg_quality"};
      fail<UsageError>("shapes-export: unknown key '{}'{} (see mltrain --help)",
                       printable(key), did_you_mean(key, keys));
    }
  }
  return command;
}

MlinferCommand parse_eval(std::span<const std::string> arguments) {
  EvalCommand command;
  Options options("mlinfer eval", kMlinferHelp);
  options.add_option("--data", command.data);
  options.add_option("--split", command.split)->check(CLI::IsMember({"train", "val", "test"}));
  options.add_flag("--json", command.json);
  split(options.positionals(arguments), "checkpoint", command.checkpoint, command.overrides);
  require<UsageError>(!command.checkpoint.empty(),
                      "eval: no checkpoint given (see mlinfer --help)");
  return command;
}

MlinferCommand parse_predict(std::span<const std::string> arguments) {
  PredictCommand command;
  Options options("mlinfer predict", kMlinferHelp);
  options.add_option("--top-k", command.top_k)->check(CLI::Range(1, 1'000'000'000));
  options.add_option("--threshold", command.threshold);
  options.add_option("--max-pixels", command.max_pixels)->check(CLI::Range(1, 1'000'000'000));
  options.add_flag("--json", command.json);
  options.add_flag("--csv", command.csv);
  std::vector<std::string> positionals = options.positionals(arguments);
  require<UsageError>(!positionals.empty(), "predict: no checkpoint given (see mlinfer --help)");
  require<UsageError>(positionals.size() > 1,
                      "predict: no pictures given after the checkpoint '{}'",
                      printable(positionals[0]));
  require<UsageError>(!command.json || !command.csv, "predict: give --json or --csv, not both");
  const double threshold = command.threshold.value_or(0);
  require<UsageError>(threshold >= 0 && threshold <= 1,  // not NaN either
                      "predict: --threshold must be a score from 0 to 1, got {}", threshold);
  command.checkpoint = positionals[0];
  command.pictures.assign(positionals.begin() + 1, positionals.end());
  return command;
}

MlinferCommand parse_export(std::span<const std::string> arguments) {
  ExportCommand command;
  std::string format = "safetensors";
  Options options("mlinfer export", kMlinferHelp);
  const std::vector<std::string_view> names = names_of(naming_schemes());
  options.add_option("--format", format)->check(CLI::IsMember({"safetensors"}));
  options.add_option("--naming", command.naming)
      ->check(CLI::IsMember(std::set<std::string>(names.begin(), names.end())));
  options.add_option("--out", command.out);
  options.add_option("--classes", command.classes);
  split(options.positionals(arguments), "checkpoint", command.checkpoint, command.overrides);
  require<UsageError>(!command.checkpoint.empty(),
                      "export: no checkpoint given (see mlinfer --help)");
  return command;
}

MlinferCommand parse_info(std::span<const std::string> arguments) {
  InfoCommand command;
  Options options("mlinfer info", kMlinferHelp);
  options.add_option("--model", command.model);
  const std::vector<std::string_view> names = names_of(heads());
  std::vector<const CLI::Option*> of_model = {
      options.add_option("--head", command.head)
          ->check(CLI::IsMember(std::vector<std::string>(names.begin(), names.end()))),
      options.add_option("--classes", command.classes)->check(CLI::Range(1, 100'000'000)),
      options.add_option("--image-size", command.image_size)
          ->check(CLI::Range(Preprocess::kLeastSize, Preprocess::kMostSize))};
  options.add_flag("--stages", command.stages);
  const std::vector<std::string> positionals = options.positionals(arguments);
  require<UsageError>(positionals.size() <= 1, "info: unexpected argument '{}'",
                      positionals.size() > 1 ? printable(positionals[1]) : "");
  require<UsageError>(positionals.empty() == !command.model.empty(),
                      "info: give a checkpoint or --model NAME{}",
                      positionals.empty() ? "" : ", not both");
  for (const CLI::Option* option : of_model) {
    require<UsageError>(positionals.empty() || option->count() == 0,
                        "info: {} needs --model NAME; a checkpoint has its own",
                        option->get_name());
  }
  command.checkpoint = positionals.empty() ? "" : positionals[0];
  return command;
}

// For arguments that start with none of the commands.
MlinferCommand parse_mlinfer_alone(std::span<const std::string> arguments,
                                   const std::vector<std::string>& commands) {
  require<UsageError>(!arguments.empty(),
                      "no command given: eval, predict, export or info (see mlinfer --help)");
  Options options("mlinfer", kMlinferHelp);
  const std::vector<std::string> positionals = options.positionals(arguments);
  const std::string& name = positionals.empty() ? arguments[0] : positionals[0];
  fail<UsageError>("unknown command '{}'{}; there are eval, predict, export and info",
                   printable(name), did_you_mean(name, commands));
}

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

}  // namespace

MltrainCommand parse_mltrain(std::span<const std::string> arguments) {
  return parse_command<MltrainCommand>(
      {{"check", parse_check}, {"shapes-export", parse_shapes_export}}, parse_train, arguments);
}

MlinferCommand parse_mlinfer(std::span<const std::string> arguments) {
  return parse_command<MlinferCommand>(
      {{"eval", parse_eval},
       {"predict", parse_predict},
       {"export", parse_export},
       {"info", parse_info}},
      parse_mlinfer_alone, arguments);
}

}  // namespace mld
