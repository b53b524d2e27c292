// The command line of mlinfer.
#include <set>

#include "app/cli_options.h"
#include "core/error.h"
#include "data/text.h"
#include "models/naming.h"
#include "models/registry.h"
#include "train/config.h"

namespace mld {
namespace {

// Options and arguments that say what to score; `name` is the command's.
void parse_split(Options& options, std::string_view name, SplitCommand& command,
                 std::span<const std::string> arguments) {
  std::string device;
  options.add_option("--device", device);
  options.add_option("--data", command.data);
  options.add_option("--split", command.split)->check(CLI::IsMember({"train", "val", "test"}));
  options.add_flag("--json", command.json);
  split(options.positionals(arguments), "checkpoint", command.checkpoint, command.overrides);
  require<UsageError>(!command.checkpoint.empty(),
                      "{}: no checkpoint given (see mlinfer --help)", name);
  if (!device.empty()) {
    command.overrides.push_back("device=" + device);
  }
}

// --precision f32|bf16: of activations.
void add_precision(Options& options, std::string& precision) {
  const auto words = words_of(DType{});
  options.add_option("--precision", precision)
      ->check(CLI::IsMember(std::set<std::string>(words.begin(), words.end())));
}

MlinferCommand parse_eval(std::span<const std::string> arguments) {
  EvalCommand command;
  std::string precision;
  Options options("mlinfer eval", kMlinferHelp);
  add_precision(options, precision);
  options.add_flag("--keep-scores", command.keep_scores);
  parse_split(options, "eval", command, arguments);
  require<UsageError>(!command.keep_scores || command.split != "test",
                      "eval: --keep-scores is for train and val, which the report shows");
  if (!precision.empty()) {
    command.overrides.push_back("train.precision=" + precision);
  }
  return command;
}

MlinferCommand parse_thresholds(std::span<const std::string> arguments) {
  ThresholdsCommand command;
  Options options("mlinfer thresholds", kMlinferHelp);
  options.add_option("--precision", command.precision);
  parse_split(options, "thresholds", command, arguments);
  const double precision = command.precision.value_or(1);
  require<UsageError>(precision > 0 && precision <= 1,  // not NaN either
                      "thresholds: --precision must be above 0 and at most 1, got {}", precision);
  return command;
}

// "--threshold must be a score from 0 to 1, got 2": `what` is its start.
void require_share(double value, std::string_view what) {
  require<UsageError>(value >= 0 && value <= 1, "{} from 0 to 1, got {}", what, value);  // nor NaN
}

// What predict, attention and search share; `name` is the command's.
void parse_pictures(Options& options, std::string_view name, PictureCommand& command,
                    std::span<const std::string> arguments) {
  std::string precision(word(command.precision));
  LabelRequest& asked = command.asked;
  add_precision(options, precision);
  options.add_option("--device", command.device);
  options.add_option("--max-pixels", command.max_pixels)->check(CLI::Range(1, 1'000'000'000));
  options.add_option("--vectors", asked.vectors);
  options.add_option("--vocabulary", asked.vocabulary);
  options.add_option("--prompt", asked.prompt);
  options.add_flag("--json", command.json);
  std::vector<std::string> positionals = options.positionals(arguments);
  require<UsageError>(!positionals.empty(), "{}: no checkpoint given (see mlinfer --help)", name);
  require<UsageError>(positionals.size() > 1,
                      "{}: no pictures given after the checkpoint '{}'", name,
                      printable(positionals[0]));
  require<UsageError>(!command.json || !command.csv, "{}: give --json or --csv, not both", name);
  const size_t hole = asked.prompt.find("{}");
  require<UsageError>(hole != std::string::npos &&
                          asked.prompt.find("{}", hole + 1) == std::string::npos,
                      "{}: --prompt '{}' must have one {{}}, where the label goes", name,
                      printable(asked.prompt));
  command.precision = from_word<DType>(precision).value();
  command.checkpoint = positionals[0];
  command.pictures.assign(positionals.begin() + 1, positionals.end());
}

MlinferCommand parse_predict(std::span<const std::string> arguments) {
  PredictCommand command;
  Options options("mlinfer predict", kMlinferHelp);
  options.add_option("--top-k", command.top_k)->check(CLI::Range(1, 1'000'000'000));
  options.add_option("--threshold", command.threshold);
  options.add_flag("--csv", command.csv);
  const CLI::Option* html = options.add_option("--html", command.html);
  options.add_flag("--attention", command.attention);
  const CLI::Option* labels = options.add_option("--labels", command.asked.labels);
  const CLI::Option* file = options.add_option("--labels-file", command.asked.labels_file);
  parse_pictures(options, "predict", command, arguments);
  require<UsageError>(labels->count() + file->count() < 2,
                      "predict: give --labels or --labels-file, not both");
  require<UsageError>(file->count() == 0 || !command.asked.labels_file.empty(),
                      "predict: --labels-file: expected the name of a file");
  if (file->count() > 0) {
    command.asked.option = "--labels-file";
  }
  command.asked.given = labels->count() + file->count() > 0;
  require<UsageError>(html->count() == 0 || !command.html.empty(),
                      "predict: --html: expected the name of the page to write");
  require<UsageError>(!command.attention || html->count() > 0,
                      "predict: --attention shows it in the page of --html FILE; mlinfer attention "
                      "draws it into pictures of their own");
  require_share(command.threshold.value_or(0), "predict: --threshold must be a score");
  return command;
}

MlinferCommand parse_attention(std::span<const std::string> arguments) {
  AttentionCommand command;
  command.asked.option = "--label";
  std::string head = "mean";
  Options options("mlinfer attention", kMlinferHelp);
  options.add_option("--label", command.asked.names)->allow_extra_args(false);
  options.add_option("--top-k", command.top_k)->check(CLI::Range(1, 1'000'000'000));
  options.add_option("--threshold", command.threshold);
  options.add_option("--head", head);
  options.add_option("--out", command.out);
  options.add_option("--opacity", command.opacity);
  options.add_option("--size", command.size)->check(CLI::Range(1, 65535));
  parse_pictures(options, "attention", command, arguments);
  require<UsageError>(command.pictures.size() == 1,
                      "attention: one picture at a time; '{}' is a second one",
                      command.pictures.size() > 1 ? printable(command.pictures[1]) : "");
  command.asked.given = !command.asked.names.empty();
  require<UsageError>(!command.asked.given || (!command.top_k && !command.threshold),
                      "attention: --top-k and --threshold choose labels; with --label these are "
                      "chosen");
  require_share(command.threshold.value_or(0), "attention: --threshold must be a score");
  require_share(command.opacity, "attention: --opacity must be a number");
  if (head != "mean") {
    command.head = number_of<int>(head);
    require<UsageError>(command.head && *command.head >= 0,
                        "attention: --head must be mean or a number from 0, got '{}'",
                        printable(head));
  }
  return command;
}

MlinferCommand parse_search(std::span<const std::string> arguments) {
  SearchCommand command;
  command.asked.option = "--query";
  Options options("mlinfer search", kMlinferHelp);
  options.add_option("--query", command.asked.labels);
  options.add_option("--top-k", command.top_k)->check(CLI::Range(1, 1'000'000'000));
  options.add_option("--save-embeddings", command.save_embeddings);
  options.add_flag("--csv", command.csv);
  parse_pictures(options, "search", command, arguments);
  require<UsageError>(!trimmed(command.asked.labels).empty() || !command.save_embeddings.empty(),
                      "search: give --query TEXT: what to look for, separated by commas");
  command.asked.given = command.asked.needed = !trimmed(command.asked.labels).empty();
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
                      "no command given: eval, thresholds, predict, attention, search, export or "
                      "info (see mlinfer --help)");
  Options options("mlinfer", kMlinferHelp);
  const std::vector<std::string> positionals = options.positionals(arguments);
  const std::string& name = positionals.empty() ? arguments[0] : positionals[0];
  fail<UsageError>("unknown command '{}'{}; there are eval, thresholds, predict, attention, "
                   "search, export and info", printable(name), did_you_mean(name, commands));
}

}  // namespace

MlinferCommand parse_mlinfer(std::span<const std::string> arguments) {
  return parse_command<MlinferCommand>(
      {{"eval", parse_eval},
       {"thresholds", parse_thresholds},
       {"predict", parse_predict},
       {"attention", parse_attention},
       {"search", parse_search},
       {"export", parse_export},
       {"info", parse_info}},
      parse_mlinfer_alone, arguments);
}

}  // namespace mld
