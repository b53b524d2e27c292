// mlinfer export: a checkpoint under another program's names, and another program's weights as one
// of our checkpoints.
#include <cstdio>
#include <filesystem>

#include "app/config_file.h"
#include "app/infer.h"
#include "app/program.h"
#include "data/file.h"
#include "data/text.h"
#include "models/naming.h"
#include "train/run_folder.h"
#include "train/start_weights.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOurs = "mldecoder";

// One name a line.
std::vector<std::string> read_names(const std::string& file) {
  constexpr int64_t kMostBytes = 64 << 20;
  const std::string text = read_text_file(file, kMostBytes);
  std::vector<std::string> names;
  for_filled_lines(without_mark(text, file), [&](std::string_view line, int64_t number) {
    require<DataError>(is_utf8(line), "{}:{}: not UTF-8", file, number);
    names.emplace_back(line);
  });
  return names;
}

// The settings that another program's file does not hold, from the command line.
ForeignInfo foreign_info(const ExportCommand& command) {
  std::vector<std::string> keys = {"data.format=shapes"};  // no data is wanted
  keys.insert(keys.end(), command.overrides.begin(), command.overrides.end());
  const LoadedConfig given = parse_config("", "command line", keys);
  const auto insisted = [&](const char* key) {
    const auto found = given.origins.find(key);
    return found != given.origins.end() && found->second == "command line";
  };
  ForeignInfo info;
  info.backbone = insisted("model.backbone") ? given.config.model.backbone : "";
  info.preprocess = given.config.preprocess;
  info.own_normalize = insisted("data.normalize");
  info.task = given.config.task;
  if (!command.classes.empty()) {
    info.class_names = read_names(command.classes);
  }
  return info;
}

LoadedModel load(const ExportCommand& command, const fs::path& file) {
  const ForeignInfo info = foreign_info(command);  // errors of the command line come first
  const bool ours = CheckpointFile(file, Verify::metadata_only).ours();
  require<UsageError>(!ours || (command.overrides.empty() && command.classes.empty()),
                      "export: {} has its own settings and classes; they cannot be given",
                      printable(file.native()));
  if (ours) {
    return model_from_checkpoint(file);
  }
  ForeignModel loaded = model_from_weights(file, info);
  print(stderr, "mlinfer: {}: a {} with the head {}, {} classes; {}; pictures {}; {}\n",
        printable(file.native()), loaded.info.model.backbone, loaded.info.model.head,
        loaded.info.model.classes, word(loaded.info.task), pictures_text(loaded.info.preprocess),
        loaded.report.text());
  return loaded;
}

// "best.safetensors" -> "best.timm.safetensors", "x.pth" -> "x.safetensors".
fs::path default_out(const fs::path& from, std::string_view naming) {
  fs::path out = from;
  out.replace_extension();
  if (naming != kOurs) {
    out += "." + std::string(naming);
  }
  return out += ".safetensors";
}

}  // namespace

ExitCode execute(const ExportCommand& command) {
  const fs::path from = weights_file(command.checkpoint);
  const fs::path out =
      command.out.empty() ? default_out(from, command.naming) : fs::path(command.out);
  std::error_code differs;
  require<UsageError>(!fs::equivalent(from, out, differs),
                      "export: {} would replace the checkpoint; give another --out",
                      printable(out.native()));
  const LoadedModel loaded = load(command, from);
  const NamingScheme& scheme = scheme_named(command.naming, loaded.info.model);
  const StateDict state = state_dict(*loaded.model);
  if (command.naming == kOurs) {
    save_model(out, state, loaded.info);
  } else {
    const StateDict theirs = export_state(state, scheme);
    write_file_atomically(out, [&](const ByteSink& sink) {
      write_safetensors(theirs, {{"format", "pt"}}, sink);  // what safetensors.torch looks for
    });
  }
  print(stdout, "{}\n", printable(out.native()));
  return ExitCode::ok;
}

}  // namespace mld
