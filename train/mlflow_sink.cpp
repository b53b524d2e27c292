#include "train/mlflow_sink.h"

#include <random>

#include "data/file.h"
#include "data/text.h"
#include "train/config_keys.h"
#include "train/log_scalars.h"
#include "train/mlflow_store.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The id that the run folder remembers, or a new one.
std::string run_id(const RunFolder& folder) {
  constexpr int64_t kMostBytes = 4096;
  if (fs::exists(folder.mlflow_run())) {
    const std::string text = read_text_file(folder.mlflow_run(), kMostBytes);
    const std::string id(trimmed(text));
    require<DataError>(id.size() == 32 && id.find_first_not_of("0123456789abcdef") == id.npos,
                       "{}: expected the run's id in MLflow, 32 hexadecimal digits; without this "
                       "file the run gets a new one", folder.mlflow_run().string());
    return id;
  }
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    id += fmt::format("{:08x}", random());
  }
  write_file_atomically(folder.mlflow_run(), id + "\n");
  return id;
}

class MlflowSink : public LogSink {
 public:
  MlflowSink(const RunFolder& folder, int64_t step, const Config& config)
      : run_(config.log.mlflow, config.log.mlflow_experiment, run_id(folder), name_of(folder)) {
    try {
      begin(folder, step, config);
    } catch (const std::exception&) {
      try_to([&] { run_.set_status(MlflowStatus::failed); });
      throw;
    }
  }
  ~MlflowSink() override {
    if (!ended_) {  // by an error
      try_to([&] { run_.set_status(MlflowStatus::failed); });
    }
  }
  void step(const StepReport& report) override {
    if (report.kept) {
      add(scalars_of(report), report.step);
    }
  }
  void epoch(const EpochReport& report) override { add(scalars_of(report), report.step); }
  void end(ExitCode code) override {
    ended_ = true;
    try_to([&] {
      run_.set_status(code == ExitCode::ok ? MlflowStatus::finished : MlflowStatus::killed);
    });
  }

 private:
  void begin(const RunFolder& folder, int64_t step, const Config& config) {
    run_.cut_metrics(step);
    run_.set_tag("mlflow.runName", printable(name_of(folder)));
    run_.set_tag("mlflow.source.name", "mltrain");
    run_.set_tag("mlflow.source.type", "LOCAL");
    for (const Key& key : config_keys()) {
      const Value value = key.get(config);
      const auto* text = std::get_if<std::string>(&value);
      run_.set_param(key.full_name(), printable(text != nullptr ? *text : to_toml_value(value)));
    }
    try_to([&] { run_.link_artifacts(folder.root); });  // some file systems have no links
  }
  static std::string name_of(const RunFolder& folder) {
    return fs::absolute(folder.root / "").lexically_normal().parent_path().filename().native();
  }
  void add(const Scalars& scalars, int64_t step) {
    try_to([&] {
      for (const auto& [name, value] : scalars) {
        run_.add_metric(name, value, step);
      }
    });
  }
  // A store that fails during a run does not end it.
  void try_to(const auto& action) {
    try {
      action();
    } catch (const std::exception& error) {
      problem_ = error.what();
    }
  }

  MlflowRun run_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<LogSink> mlflow_sink(const RunFolder& folder, int64_t step,
                                     const Config& config) try {
  return std::make_unique<MlflowSink>(folder, step, config);
} catch (const fs::filesystem_error& error) {
  fail<DataError>("{}: the run cannot be added to this MLflow file store: {}",
                  printable(config.log.mlflow), error.what());
} catch (const DataError&) {
  throw;
} catch (const Error& error) {
  fail<DataError>("{}; log.mlflow names the store", error.what());
}

}  // namespace mld
