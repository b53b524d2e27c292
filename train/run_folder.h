// The run folder: where a training run keeps everything. Layout: docs/formats.md.
#pragma once

#include <filesystem>
#include <string>

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
};

// Creates the folder of a new run. An existing one is kept: the next free name given-2, given-3, ...
// is taken instead, unless `overwrite` says to empty it (only what a run writes is removed).
// Errors: DataError if the folder cannot be made.
RunFolder create_run_folder(const std::filesystem::path& given, bool overwrite);

// The checkpoint that `given` stands for: a file is itself, a run folder its best weights, else its
// last ones. Errors: DataError for a folder without either.
std::filesystem::path weights_file(const std::filesystem::path& given);

}  // namespace mld
