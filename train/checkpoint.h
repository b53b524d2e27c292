// Checkpoints: safetensors files with everything inference needs. Format: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/pth.h"
#include "data/safetensors.h"
#include "models/registry.h"
#include "train/config.h"

namespace mld {

using Metadata = std::map<std::string, std::string>;

// f(), with its errors as errors of the file it reads: DataError starting with the file's name.
template <class F>
auto in_file(const std::string& file, F&& f) {
  try {
    return f();
  } catch (const OutOfMemory&) {
    throw;
  } catch (const Error& error) {
    fail<DataError>("{}: {}", file, error.what());
  }
}

// ---- named tensors with checksums ---------------------------------------------------------------

struct Checkpoint {
  StateDict tensors;
  Metadata metadata;
};

// Writes the file atomically, with a CRC-32C per tensor and one over the metadata. The same input
// gives the same bytes. Errors: Error naming the file (the old one is left untouched).
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

// Reads and verifies one of our files. Errors: DataError naming the file and the tensor: missing,
// malformed, not one of ours, a newer format version, a checksum mismatch, numbers that
// check_weights() refuses.
Checkpoint load_checkpoint(const std::filesystem::path& path);

enum class Verify {
  checksums,      // every byte (only our files have checksums)
  metadata_only,  // the header: for callers that do not read the tensors
};

// A checkpoint mapped into memory, ours or another program's (safetensors or PyTorch's .pth);
// tensors are read in place.
class CheckpointFile {
 public:
  // Errors: as load_checkpoint, but another program's file is accepted (ours() is false).
  explicit CheckpointFile(const std::filesystem::path& path, Verify verify = Verify::checksums);

  bool ours() const { return ours_; }
  const Metadata& metadata() const;  // none in a .pth
  const std::string& path() const { return path_; }
  const PthFile* pth() const { return pth_ ? &*pth_ : nullptr; }  // null for safetensors
  // The word vectors of a file of ours; null if it has none, and for other programs' files.
  const SafeTensor* label_vectors() const;
  // All tensors but these in file order, valid while the object lives. float16 and float64 become
  // float32. Errors: DataError for a type or rank that our models do not have.
  std::vector<StateView> tensors();
  std::vector<std::string> names() const;  // of the same; nothing is converted

 private:
  std::vector<std::pair<std::string, const SafeTensor*>> entries() const;  // of the same
  void verify_metadata() const;
  void verify_tensors() const;

  std::string path_;
  std::optional<SafeTensorsFile> file_;  // one of these two
  std::optional<PthFile> pth_;
  bool ours_ = false;
  std::vector<Tensor> converted_;  // tensors that could not be read in place
};

// Parts of a larger state: append(all, "ema", part) adds them as "ema.<name>"; part(all, "ema")
// gets them back.
void append(StateDict& all, std::string_view prefix, const StateDict& part);
StateDict part(const StateDict& all, std::string_view prefix);

// ---- models -------------------------------------------------------------------------------------

// What inference needs to know besides the tensors.
struct CheckpointInfo {
  ModelSpec model;
  Preprocess preprocess;
  Task task = Task::multi_label;
  std::vector<std::string> class_names;   // UTF-8, one per output; zero-shot: seen and unseen ones
  std::string weights = "raw";            // raw = the model's own, ema = the average's
  std::map<std::string, double> metrics;  // on val, by name
  std::vector<double> thresholds;  // [classes], see fit_thresholds(); empty: none were fitted
  std::string config;              // the run's, as TOML
  std::vector<bool> seen{};        // [classes] if the task is zero-shot, as in LabelSpace
  std::vector<float> vectors{};    // [classes, D] word vectors; empty: the model uses none

  LabelSpace label_space() const;
  // Sets names and, if the task is zero-shot, marks; vectors if asked for and if there are any.
  void set_label_space(const LabelSpace& space, bool with_vectors);

  bool operator==(const CheckpointInfo&) const = default;
};

// The defaults, but for the task and the sections that `info` has.
Config config_of(const CheckpointInfo& info);

// "model" and "preprocessing" are JSON objects of the config keys that belong to them.
Metadata to_metadata(const CheckpointInfo& info);
// A missing key has the default of the file's format version. Errors: DataError naming `file` and
// the field that is missing, malformed, contradictory or of a newer version.
CheckpointInfo checkpoint_info(const Metadata& metadata, const std::string& file);

// save_checkpoint() of a model's state_dict() and the info's word vectors, with the info.
void save_model(const std::filesystem::path& path, const StateDict& state,
                const CheckpointInfo& info);

struct LoadedModel {
  CheckpointInfo info;
  std::unique_ptr<Model> model;  // on the CPU, evaluation mode
};

// The model that a checkpoint describes, with its weights, copied once from the mapped file. Here
// and below, `path` may be a run folder (see weights_file).
// Errors: DataError naming the file: as load_checkpoint, or tensors unlike the description.
LoadedModel model_from_checkpoint(const std::filesystem::path& path);

// The info alone, without reading the tensors. Errors: as model_from_checkpoint.
CheckpointInfo read_checkpoint_info(const std::filesystem::path& path);

// Refuses a file without a model of ours before its metadata are read as a model's. Errors:
// DataError.
void require_model(const CheckpointFile& file);

}  // namespace mld
