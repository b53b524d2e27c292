// The command line of mltrain.
#include <algorithm>

#include "app/cli_options.h"
#include "app/config_file.h"
#include "core/error.h"
#include "data/text.h"

namespace mld {
namespace {

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
  options.add_flag("--no-report", command.no_report);
  const CLI::Option* help_config_option =
      options.add_option("--help-config", section)->expected(0, 1);
  const std::vector<std::string> positionals = options.positionals(arguments);
  if (help_config_option->count() > 0) {
    return PrintText{help_config(section)};
  }
  if (!positionals.empty()) {
    const std::string& first = positionals[0];
    const bool bare = first.find_first_of("./=") == std::string::npos;
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

MltrainCommand parse_init(std::span<const std::string> arguments) {
  InitCommand command;
  Options options("mltrain init", kMltrainHelp);
  options.add_option("--from", command.from);
  options.add_option("--out", command.out);
  split(options.positionals(arguments), "folder", command.folder, command.overrides);
  require<UsageError>(!command.folder.empty(), "init: no folder given (see mltrain --help)");
  return command;
}

MltrainCommand parse_report(std::span<const std::string> arguments) {
  ReportCommand command;
  Options options("mltrain report", kMltrainHelp);
  const CLI::Option* out = options.add_option("--out", command.out);
  command.runs = options.positionals(arguments);
  require<UsageError>(!command.runs.empty(),
                      "report: no run folder given, e.g. mltrain report runs/shapes_resnet18 (see "
                      "mltrain --help)");
  require<UsageError>(out->count() == 0 || !command.out.empty(),
                      "report: --out: expected the name of the page to write");
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

}  // namespace

MltrainCommand parse_mltrain(std::span<const std::string> arguments) {
  return parse_command<MltrainCommand>(
      {{"check", parse_check},
       {"init", parse_init},
       {"report", parse_report},
       {"shapes-export", parse_shapes_export}},
      parse_train, arguments);
}

}  // namespace mld
