// A run's configuration: the structs the programs read. How TOML becomes them: app/config_file.h.
//
// The defaults are the published COCO recipe (github.com/Alibaba-MIIL/ML_Decoder, train.py).
// What each key means, its range and its choices stand in config_keys.cpp, the one table that
// parsing, help and printing share. Class names and their count come from the data.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mld {

struct DataConfig {
  std::string format = "auto";
  std::string root;
  std::string train, val, test;  // "": the format's usual names
  int64_t image_size = 448;
  std::string resize = "squash";
  std::string interpolation = "bilinear";
  std::string normalize = "none";
  std::string unlabelled = "drop";
  std::string difficult = "keep";
  std::string on_bad_image = "error";
  double max_bad_fraction = 0.001;
  int64_t workers = -1;                  // -1: chosen from the number of cores
  int64_t train_size = 0, val_size = 0;  // 0: everything (shapes: 20,000 and 2,000)
};

struct AugmentConfig {
  double hflip = 0;                                  // probability
  std::optional<std::array<double, 2>> crop_scale;   // area range; none: no random-resized crop
  double cutout = 0.5;
  std::string aa = "randaugment";
};

struct ModelConfig {
  std::string backbone = "resnet50";
  std::string head = "ml_decoder";
  int64_t groups = -1;  // -1: the published rule, min(100, classes)
  int64_t embed_dim = 768;
  std::string query = "random";
  double dropout = 0.1;
  std::string init;  // a checkpoint to start from
  std::string init_policy = "strict";
};

struct LossConfig {
  std::string name = "asl";
  double gamma_neg = 4, gamma_pos = 0, clip = 0.05, eps = 1e-8;
  bool detach_weights = true;
  double smoothing = 0;
  double target_threshold = 0;  // 0: targets stay as they are
};

struct OptimConfig {
  std::string name = "adam_l2";
  double lr = 1e-4, weight_decay = 1e-4;
  std::array<double, 2> betas{0.9, 0.999};
  double eps = 0;  // 0: the optimiser's own (1e-8; LAMB 1e-6)
  double momentum = 0.9;
  double clip_grad = 0;  // 0: off
  int64_t grad_accum_steps = 1;
};

struct ScheduleConfig {
  std::string name = "onecycle";
  double pct_start = 0.2;
  int64_t warmup_epochs = 0;
  double warmup_lr = 1e-4, min_lr = 1e-6;
  int64_t cooldown_epochs = 0;
};

struct TrainConfig {
  int64_t epochs = 40, batch_size = 56;
  std::string precision = "f32";
  double model_ema_decay = 0.9997;  // 0: no averaged model
  int64_t val_interval = 1;
  double checkpoint_minutes = 10;
  std::string best_metric = "mAP";
  bool deterministic = true;
  bool cuda_graph = false;
};

struct Config {
  std::string name = "run";
  std::string task = "multi-label";
  int64_t seed = 42;
  int64_t threads = 0;  // 0: all
  std::string device = "auto";
  DataConfig data;
  AugmentConfig augment;
  ModelConfig model;
  LossConfig loss;
  OptimConfig optim;
  ScheduleConfig schedule;
  TrainConfig train;
};

// Where values come from, by full key ("optim.lr"): "configs/a.toml:12" or "command line". Keys
// that are not listed have their default.
using Origins = std::map<std::string, std::string>;

struct LoadedConfig {
  Config config;
  Origins origins;
};

// Which keys to write: all, or only those that name no place on this machine and no run, so that
// equal runs write equal bytes (weight files).
enum class Keys { all, portable };

// The config as TOML, every key with its origin as a comment; parse_config reads the same back.
std::string to_toml(const Config& config, const Origins& origins = {}, Keys keys = Keys::all);

// The keys that change a run's results and differ, as "optim.lr: the run has 0.001, given 0.01".
// Empty: a run of `saved` may be resumed with `given`.
std::vector<std::string> agree_for_resume(const Config& saved, const Config& given);

}  // namespace mld
