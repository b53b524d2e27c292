// A run in an MLflow file store, the folders that MLflow's client and web page read:
//   STORE/EXPERIMENT ID/meta.yaml
//   STORE/EXPERIMENT ID/RUN ID/meta.yaml, params/KEY, tags/KEY, metrics/KEY, artifacts/
// Source: github.com/mlflow/mlflow, mlflow/store/tracking/file_store.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace mld {

// Whether an experiment may have this name: letters, digits, '_', '-' and '.', beginning with a
// letter. MLflow allows more, but of these YAML needs no parser to be found again.
bool is_experiment_name(std::string_view name);

// What MLflow stores as numbers (mlflow/protos/service.proto, RunStatus).
enum class MlflowStatus { running = 1, finished = 3, failed = 4, killed = 5 };

class MlflowRun {
 public:
  // The run `id` of the experiment of this name; made, or marked as running again. `id` is 32
  // hexadecimal digits, `name` any text. Errors: DataError for what cannot be read or written.
  MlflowRun(const std::filesystem::path& store, const std::string& experiment,
            const std::string& id, const std::string& name);

  const std::filesystem::path& folder() const { return folder_; }

  // These replace an earlier value. Errors: Error if it cannot be written.
  void set_param(const std::string& key, std::string_view value) const;
  void set_tag(const std::string& key, std::string_view value) const;
  void set_status(MlflowStatus status) const;
  // Adds a value to a metric's history. '@', which MLflow's names may not have, becomes "_at_".
  void add_metric(const std::string& key, double value, int64_t step) const;
  // Makes artifacts/ a link to a folder, unless it is a folder of its own.
  void link_artifacts(const std::filesystem::path& folder) const;

  // Removes what metrics say of later steps, and incomplete last lines.
  void cut_metrics(int64_t step) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace mld
