// The run folder, which holds all files of a training run. Layout: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace mld {

struct RunFolder {
  std::filesystem::path root;

  std::filesystem::path config() const { return root / "config.toml"; }
  std::filesystem::path results() const { return root / "results.csv"; }
  std::filesystem::path events() const { return root / "log.jsonl"; }
  std::filesystem::path text_log() const { return root / "train.log"; }
  std::filesystem::path weights() const { return root / "weights"; }
  std::filesystem::path last() const { return weights() / "last.safetensors"; }
  std::filesystem::path best() const { return weights() / "best.safetensors"; }
  std::filesystem::path state() const { return weights() / "last.state.safetensors"; }
  std::filesystem::path hf_config() const { return weights() / "config.json"; }
  std::filesystem::path val() const { return root / "val"; }
  std::filesystem::path metrics() const { return val() / "metrics.json"; }  // of the best weights
  std::filesystem::path per_class() const { return val() / "per_class.csv"; }
  std::filesystem::path report() const { return root / "report.html"; }
  std::filesystem::path comparison() const { return root / "comparison.html"; }  // with others
  // Of the best weights, on val or train.
  std::filesystem::path scores(std::string_view split) const {
    return root / split / "scores.safetensors";
  }
  std::filesystem::path mlflow_run() const { return root / "mlflow_run"; }
  // TensorBoard's file of a session, from 1 on. TensorBoard wants "tfevents" in the name, and reads
  // the files in the names' order.
  std::filesystem::path event_file(int64_t session) const;
  // The session whose event file has this name; 0: none.
  static int64_t session_of(const std::filesystem::path& path);
};

// Creates the folder of a new run. If it exists, the next free name given-2, given-3, ... is used,
// or with `overwrite` the folder is emptied (only a run's own files are removed).
// Errors: DataError if the folder cannot be made.
RunFolder create_run_folder(const std::filesystem::path& given, bool overwrite);

// Makes a folder, if there is none, that files can be written to. Errors: DataError.
void make_writable_folder(const std::filesystem::path& folder);

// The checkpoint that `given` stands for: a file for itself, a run folder for its best weights or,
// without these, its last ones. Errors: DataError for a folder with neither.
std::filesystem::path weights_file(const std::filesystem::path& given);

}  // namespace mld
