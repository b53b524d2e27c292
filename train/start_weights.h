// Weights that a model starts from: a checkpoint of ours, or any that models/naming.h can name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/pretrained.h"
#include "train/checkpoint.h"

namespace mld {

// Loads a checkpoint, ours or another program's, into a model after initialize() (see
// load_pretrained).
// Errors: as CheckpointFile, load_pretrained and check_weights; with InitPolicy::strict also
// DataError if the classes that the file names (a checkpoint of ours, a .pth with idx_to_class)
// differ from `class_names`, if only in their order (names the first difference).
PretrainedReport init_from_checkpoint(Classifier& model, const InitSpec& spec,
                                      const std::vector<std::string>& class_names);

// Whether a run starts from files.
bool has_start_weights(const InitSpec& spec);
// Loads whatever files the spec names into a model after initialize(). Returns what was loaded from
// each, for the user. Errors: as init_from_checkpoint; DataError for weights of CLIP without a text
// encoder, or of other sizes than the model's; UsageError for a model without one.
std::vector<std::string> load_start_weights(Classifier& model, const InitSpec& spec,
                                            const std::vector<std::string>& class_names);

// What another program's file does not say about the model in it.
struct ForeignInfo {
  std::string backbone;     // "": the one whose tensors are all there
  Preprocess preprocess;    // how the model wants its pictures
  bool own_normalize = false;  // preprocess.normalize holds; else the backbone's usual one
  Task task = Task::multi_label;
  std::vector<std::string> class_names;  // empty: the file's, or else "0", "1", ...
};
struct ForeignModel : LoadedModel {
  PretrainedReport report;
};
// The model in another program's file, all of whose tensors must belong to it.
// Errors: as init_from_checkpoint; DataError for an unknown architecture or head, or if the number
// of class names is not the model's.
ForeignModel model_from_weights(const std::filesystem::path& path, const ForeignInfo& info);

}  // namespace mld
