// A run's configuration: the specs of the parts of a run, each a section of the config file (or
// some keys of one). app/config_file.h reads them from TOML.
//
// The defaults are the published COCO recipe (github.com/Alibaba-MIIL/ML_Decoder, train.py).
// Each key's meaning, range and choices are in config_keys.cpp, the one table that parsing, help,
// printing and checkpoints share. Class names and their number come from the data.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "data/augment.h"
#include "data/formats/open.h"
#include "data/loader.h"
#include "data/preprocess.h"
#include "models/model_spec.h"
#include "models/pretrained.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "train/log_spec.h"
#include "train/loss.h"

namespace mld {

// The kind of labels a picture has.
enum class Task { multi_label, single_label, zero_shot };
constexpr std::array<std::string_view, 3> words_of(Task) {
  return {"multi-label", "single-label", "zero-shot"};
}

// The possible types of activations.
constexpr std::array<std::string_view, 2> words_of(DType) { return {"f32", "bf16"}; }

// Config section [clip], the part that is training's: the loss is beta times that of the classes
// plus alpha times the contrastive loss of pictures and captions.
struct CaptionSpec {
  double alpha = 1, beta = 1;
  bool equal_captions = false;  // pictures with one caption are positives of each other
  std::string vocabulary;       // the tokenizer's file
};

struct TrainSpec {
  int64_t epochs = 40, batch_size = 56;
  std::string freeze;  // see freeze_parts() in models/registry.h
  DType precision = DType::f32;
  double model_ema_decay = 0.9997;  // 0: no averaged model
  int64_t val_interval = 1;
  int64_t patience = 0;  // validations; 0: train.epochs decides alone
  double checkpoint_minutes = 10;
  std::string best_metric = "mAP";
  bool deterministic = true;
  bool cuda_graph = false;
};

struct Config {
  std::string name = "run";
  Task task = Task::multi_label;
  int64_t seed = 42;
  int64_t threads = 0;  // 0: all
  std::string device = "auto";
  DataOptions data;  // section [data]: these three
  Preprocess preprocess;
  LoadingSpec loading;
  AugmentPolicy augment;
  ModelSpec model;  // section [model]: these two
  InitSpec init;
  CaptionSpec captions;
  LossSpec loss;
  OptimizerSpec optim;
  ScheduleSpec schedule;
  TrainSpec train;
  LogSpec log;
};

// Where values come from, by full key ("optim.lr"): "configs/a.toml:12" or "command line". Keys
// that are not listed have their defaults.
using Origins = std::map<std::string, std::string>;
constexpr std::string_view kDefault = "default";  // to_toml()'s word for the origin of these

struct LoadedConfig {
  Config config;
  Origins origins;
};

// Which keys to write: all, or (for weight files) only those that name neither a path on this
// machine nor the run, so that equal runs write equal bytes.
enum class Keys { all, portable };

// The config as TOML, every key with its origin as a comment; parse_config reads the same back.
std::string to_toml(const Config& config, const Origins& origins = {}, Keys keys = Keys::all);

// The differing keys that change a run's results, as "optim.lr: the run has 0.001, given 0.01".
// Empty: a run of `saved` may be resumed with `given`. A larger number of epochs is not a
// difference: the resumed run goes on with the schedule of the larger number.
std::vector<std::string> agree_for_resume(const Config& saved, const Config& given);

// Options for opening the data. `label_space`: see DataOptions.
DataOptions data_options(const Config& config, LabelSpace label_space = {});

// Options for loading a split. Training: shuffled, augmented, without a last short batch.
// Evaluation: in order, not augmented, every sample.
LoaderOptions loader_options(const Config& config, Purpose purpose);

}  // namespace mld
