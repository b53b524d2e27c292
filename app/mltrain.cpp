// mltrain: trains a classifier, checks a data set, exports the built-in one.
#include <sys/utsname.h>

#include <filesystem>

#include <fmt/ranges.h>

#include "app/check.h"
#include "app/cli.h"
#include "app/config_file.h"
#include "app/error_sheets.h"
#include "app/init.h"
#include "app/progress.h"
#include "app/program.h"
#include "app/report.h"
#include "core/kernels.h"
#include "core/parallel.h"
#include "data/file.h"
#include "data/formats/shapes.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/stop_signal.h"
#include "train/trainer.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// Of a run's time, at most so much goes into its report and pictures.
constexpr double kShareForPeople = 0.01;

// The config a run was started with, and whether the run is finished.
struct SavedRun {
  std::string config, file;
  bool finished = false;
};

SavedRun saved_run(const RunFolder& folder) {
  require<DataError>(fs::is_directory(folder.root), "{}: there is no such run folder",
                     folder.root.string());
  if (!fs::exists(folder.state())) {
    return {read_text_file(folder.config(), kMaxConfigBytes), folder.config().string(), false};
  }
  const CheckpointFile file(folder.state(), Verify::metadata_only);
  const TrainingState state = from_metadata(file.metadata(), file.path());
  return {state.config, file.path(), state.finished && weights_are_current(folder, state)};
}

// The saved config with the command line's changes; both must agree on all keys that change
// results. `more_epochs` gets a message on the effect of more epochs; "" if there are no more.
LoadedConfig resumed_config(const TrainCommand& command, const SavedRun& saved,
                            std::string& more_epochs) {
  LoadedConfig given = command.config.empty()
                           ? parse_kept_config(saved.config, saved.file, command.overrides)
                           : load_config(command.config, command.overrides);
  const Config original = parse_config(saved.config, saved.file).config;
  const std::vector<std::string> differences = agree_for_resume(original, given.config);
  require<UsageError>(differences.empty(),
                      "{}: a run must be resumed with its own settings:\n  {}\nchange these back, "
                      "or start a new run", command.resume, fmt::join(differences, "\n  "));
  const int64_t before = original.train.epochs, epochs = given.config.train.epochs;
  if (epochs > before) {
    more_epochs = fmt::format(
        "train.epochs is raised from {} to {}: {}", before, epochs,
        original.schedule.name == "constant" || original.schedule.name == "step"
            ? "the learning rate does not depend on it, so results equal those of a run of that "
              "length"
            : "from here on the learning rate follows the schedule of the new length, so it may "
              "jump, and results differ from a run that had this length from its start");
  }
  if (given.config.train.patience > original.train.patience) {
    more_epochs += fmt::format("{}train.patience is raised from {} to {}",
                               more_epochs.empty() ? "" : "; ", original.train.patience,
                               given.config.train.patience);
  }
  return given;
}

// Makes the folder of a new run. If the wanted one exists, a warning (shown even with --quiet)
// names the one used instead.
RunFolder make_run_folder(const LoadedConfig& config, const TrainCommand& command, RunLog& log,
                          const RunBytes& bytes) {
  const fs::path wanted = command.out.empty() ? "runs/" + config.config.name : command.out;
  require_disk_space(bytes, command.overwrite ? RunFolder{wanted} : RunFolder{wanted / "new"});
  const RunFolder folder = create_run_folder(wanted, command.overwrite);
  std::error_code differs;  // equivalent(), since "runs/a/" is "runs/a"
  if (!fs::equivalent(folder.root, wanted, differs)) {
    log.warning(fmt::format("{} exists; the run folder is {}", wanted.string(),
                            folder.root.string()));
  }
  write_file_atomically(folder.config(), to_toml(config.config, config.origins));
  return folder;
}

// One line for the log: what computes. The report shows the lines that begin like it.
std::string environment(Device device) {
  utsname system = {};
  ::uname(&system);
  return fmt::format("mltrain {} (compiled by {}), {} {} {}, {} compute threads on {} processors, "
                     "device {}", kVersion, __VERSION__, system.sysname, system.release,
                     system.machine, compute_threads(), usable_processors(), device.str());
}

ExitCode execute(const TrainCommand& command) {
  install_stop_handlers();  // first, so that a signal while a large state is read also gives 75
  const bool resuming = !command.resume.empty();
  std::string more_epochs;
  RunFolder folder{command.resume};
  LoadedConfig config;
  if (resuming) {
    const SavedRun saved = saved_run(folder);
    config = resumed_config(command, saved, more_epochs);
    if (saved.finished && more_epochs.empty() && !command.print_config) {
      const TrainSpec& spec = config.config.train;
      print(stderr, "{}: this run is finished; to go on: train.epochs={} or more{}\n",
            command.resume, spec.epochs + 1,
            spec.patience > 0 ? ", or, if it ended early, a larger train.patience" : "");
      return ExitCode::ok;
    }
  } else {
    config = load_config(command.config, command.overrides);
  }
  if (command.print_config) {
    print(stdout, "{}", to_toml(config.config, config.origins));
    return ExitCode::ok;
  }
  use_threads(config.config.threads);
  const Device device = parse_device(config.config.device);
  config.config.data.vectors_progress = reading_progress(
      "reading word vectors", {stderr_style(), write_stderr, monotonic_seconds});
  TimeShare for_people(kShareForPeople);
  RunLog log;
  log.add(terminal_sink(command.quiet));
  const bool saved = resuming && fs::exists(folder.state());
  // Errors of data, device and model are reported before a folder is made.
  Trainer trainer(config, device, log, saved ? Trainer::Start::saved : Trainer::Start::fresh);
  if (resuming) {
    require_disk_space(trainer.bytes_on_disk(), folder);
  } else {
    folder = make_run_folder(config, command, log, trainer.bytes_on_disk());
  }
  const FolderLock lock(folder.root);  // two processes must not save to the same run
  log.message("run folder: " + folder.root.string());
  log.message(environment(device));
  trainer.open(folder);
  add_error_sheets(log, config.config, trainer.splits(), for_people);
  if (!command.no_report) {
    add_report(log, folder, config.config, trainer.splits(), for_people);
  }
  if (!more_epochs.empty()) {
    log.warning(more_epochs);
    write_file_atomically(folder.config(), to_toml(config.config, config.origins));
  }
  const ExitCode code = trainer.run();
  log.end(code);
  if (code == ExitCode::stopped) {
    log.message("stopped; continue with: mltrain --resume " + shell_word(folder.root.native()));
    if (command.quiet && stderr_style().terminal) {
      write_stderr("\n");  // behind the terminal's ^C
    }
  }
  return code;
}

// `mltrain check FOLDER` means a config with nothing but data.root.
LoadedConfig config_to_check(const CheckCommand& command) {
  if (!fs::is_directory(command.config)) {
    return load_config(command.config, command.overrides);
  }
  std::vector<std::string> overrides = {"data.root=" + fs::absolute(command.config).native()};
  overrides.insert(overrides.end(), command.overrides.begin(), command.overrides.end());
  return parse_config("", command.config, overrides);
}

ExitCode execute(const CheckCommand& command) {
  LoadedConfig config = config_to_check(command);
  config.config.data.vectors_progress = reading_progress(
      "reading word vectors", {stderr_style(), write_stderr, monotonic_seconds});
  use_threads(config.config.threads);
  return check_run(config.config, parse_device(config.config.device));
}

ExitCode execute(const InitCommand& command) { return init_config(command); }

ExitCode execute(const ReportCommand& command) { return write_report(command); }

ExitCode execute(const ShapesExportCommand& command) {
  export_shapes(command.folder, command.options);
  return ExitCode::ok;
}

}  // namespace
}  // namespace mld

int main(int argc, char** argv) {
  using namespace mld;
  return run_program("mltrain", argc, argv, [](const std::vector<std::string>& arguments) {
    return std::visit([](const auto& command) { return execute(command); },
                      parse_mltrain(arguments));
  });
}
