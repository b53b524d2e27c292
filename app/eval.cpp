// mlinfer eval: the metrics of a checkpoint on a split.
#include <cstdio>
#include <filesystem>

#include "app/config_file.h"
#include "app/infer.h"
#include "app/program.h"
#include "core/kernels.h"
#include "data/text.h"
#include "train/assemble.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The config that says where the data is: the one given, else the run folder's, else the
// checkpoint's own, which names no place (enough for data that is drawn). Of a data folder only the
// checkpoint's settings outside [data] are taken.
LoadedConfig data_config(const EvalCommand& command, const CheckpointInfo& info) {
  if (!command.data.empty() && !fs::is_directory(command.data)) {
    return load_config(command.data, command.overrides);
  }
  const fs::path beside = fs::path(command.checkpoint).parent_path().parent_path() / "config.toml";
  if (command.data.empty() && fs::exists(beside)) {
    return load_config(beside, command.overrides);
  }
  if (command.data.empty()) {
    return parse_config(info.config, command.checkpoint, command.overrides);
  }
  Config config = parse_config(info.config, command.checkpoint).config;
  config.data = {};
  config.data.format = "auto";
  config.data.root = command.data;
  return parse_config(to_toml(config, {}), command.data, command.overrides);
}

// Pictures must be prepared as in training, unless the command line insists.
void use_checkpoint_preprocessing(LoadedConfig& loaded, const CheckpointInfo& info) {
  const auto insisted = [&](const char* key) {
    const auto found = loaded.origins.find(key);
    return found != loaded.origins.end() && found->second == "command line";
  };
  Config& config = loaded.config;
  config.task = info.task;
  if (!insisted("data.image_size")) config.data.image_size = info.image_size;
  if (!insisted("data.resize")) config.data.resize = info.resize;
  if (!insisted("data.interpolation")) config.data.interpolation = info.interpolation;
  if (!insisted("data.normalize")) config.data.normalize = info.normalize;
}

}  // namespace

ExitCode eval_command(const EvalCommand& command) {
  LoadedModel loaded = model_from_checkpoint(command.checkpoint);
  LoadedConfig data = data_config(command, loaded.info);
  use_checkpoint_preprocessing(data, loaded.info);
  const Config& config = data.config;
  use_threads(config.threads);
  const Device device = parse_device(config.device);
  to(*loaded.model, device);
  // In the checkpoint's class order; a label it does not know is an error, a class without
  // examples is not.
  const auto split = open_dataset(data_options(config, {.names = loaded.info.class_names}), command.split,
                                  Purpose::evaluation);
  check_labels(config, *split);
  Loader loader(*split, evaluation_loader_options(config));
  const auto scores = score_split(*loaded.model, loader, config, device, [] { return false; });
  Evaluation result =
      evaluate(*scores, loaded.info.class_names, loaded.info.task == "single-label");
  result.skipped = static_cast<int64_t>(loader.bad_pictures().size());
  for (const BadPicture& bad : loader.bad_pictures()) {
    std::fprintf(stderr, "mlinfer: skipped: %s\n", printable(bad.error).c_str());
  }
  if (command.json) {
    std::printf("%s\n", evaluation_json(result).c_str());
  } else {
    std::printf("%s on %s: %s", printable(command.checkpoint).c_str(),
                printable(command.split).c_str(), evaluation_text(result).c_str());
  }
  return ExitCode::ok;
}

}  // namespace mld
