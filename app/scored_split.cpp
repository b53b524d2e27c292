#include "app/scored_split.h"

#include <algorithm>
#include <filesystem>

#include "app/config_file.h"
#include "app/progress.h"
#include "app/program.h"
#include "core/kernels.h"
#include "data/file.h"
#include "data/text.h"
#include "train/config_keys.h"
#include "train/run_folder.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The settings of the checkpoint's run, but with the data in `folder`.
LoadedConfig folder_config(const SplitCommand& command, const CheckpointInfo& info) {
  const std::string root = fs::absolute(command.data).native();
  Config config = parse_config(info.config, command.checkpoint,
                               std::vector<std::string>{"data.root=" + root}).config;
  config.data = {};
  config.loading = {};
  config.data.root = root;
  return parse_config(to_toml(config, {}), command.data, command.overrides);
}

// The config that names the data: the given one, else the run folder's, else the checkpoint's own,
// which has no paths (enough for the built-in shapes).
LoadedConfig data_config(const SplitCommand& command, const CheckpointInfo& info) {
  if (!command.data.empty()) {
    return fs::is_directory(command.data) ? folder_config(command, info)
                                          : load_config(command.data, command.overrides);
  }
  const fs::path weights = weights_file(command.checkpoint);
  const fs::path beside = RunFolder{fs::absolute(weights).parent_path().parent_path()}.config();
  if (fs::exists(beside)) {
    return parse_config(read_text_file(beside, kMaxConfigBytes), beside.native(),
                        command.overrides);
  }
  const Config own = parse_config(info.config, command.checkpoint,
                                  std::vector<std::string>{"data.root=unknown"}).config;
  const bool known = own.data.format == "shapes" ||
                     std::any_of(command.overrides.begin(), command.overrides.end(),
                                 [](const auto& key) { return key.starts_with("data.root="); });
  require<UsageError>(known, "{}: the config.toml of its run, which says where the data is, is "
                      "missing; give --data FOLDER or --data CONFIG",
                      printable(command.checkpoint));
  return parse_config(info.config, command.checkpoint, command.overrides);
}

// Pictures are prepared as in training, unless the command line overrides this.
void use_checkpoint_preprocessing(LoadedConfig& loaded, const CheckpointInfo& info) {
  const auto insisted = [&](const std::string& key) {
    const auto found = loaded.origins.find(key);
    return found != loaded.origins.end() && found->second == "command line";
  };
  const Config trained = config_of(info);
  loaded.config.task = info.task;
  for (const Key& key : part_keys(Part::preprocessing)) {
    if (!insisted(key.full_name())) {
      key.set(loaded.config, key.get(trained));
    }
  }
}

}  // namespace

ScoredSplit score(const SplitCommand& command) {
  LoadedModel loaded = model_from_checkpoint(command.checkpoint);
  LoadedConfig data = data_config(command, loaded.info);
  use_checkpoint_preprocessing(data, loaded.info);
  const Config& config = data.config;
  use_threads(config.threads);
  const Device device = parse_device(config.device);
  to(*loaded.model, device);
  // In the checkpoint's class order; a label outside its classes is an error (zero-shot: left out),
  // a class without samples is not.
  const auto split = open_dataset(data_options(config, loaded.info.label_space()),
                                  command.split, Purpose::evaluation);
  const std::unique_ptr<Objective> objective = make_objective(
      config, *loaded.model, seen_part(loaded.info.label_space()), loaded.info.label_space());
  check_labels(config.task, *split);
  for (const std::string& note : split->notes()) {
    if (config.task == Task::zero_shot) {  // which pictures were left out
      print(stderr, "mlinfer: {}\n", printable(note));
    }
  }
  Loader loader(*split, loader_options(config, Purpose::evaluation));
  PictureProgress progress({stderr_style(), write_stderr, monotonic_seconds}, split->size());
  int64_t batches = 0;
  auto scores = score_split(*loaded.model, *objective, loader, device, [&] {
    progress.done(batches++ * config.train.batch_size);
    return false;
  });
  progress.clear();
  const std::vector<BadPicture> bad_pictures = loader.bad_pictures();
  for (const BadPicture& bad : bad_pictures) {
    print(stderr, "mlinfer: skipped: {}\n", printable(bad.error));
  }
  return {.info = std::move(loaded.info), .scores = *std::move(scores),
          .skipped = static_cast<int64_t>(bad_pictures.size()),
          .one_label = objective->one_label()};
}

void print_evaluation(const SplitCommand& command, const Evaluation& evaluation) {
  if (command.json) {
    print(stdout, "{}\n", evaluation_json(evaluation));
  } else {
    print(stdout, "{} on {}: {}", printable(command.checkpoint), printable(command.split),
          evaluation_text(evaluation));
  }
}

}  // namespace mld
