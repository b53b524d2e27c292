// The state of a run besides its tensors: its progress, the data seen, the best so far.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/best_weights.h"

namespace mld {

struct TrainingState {
  int64_t step = 0;         // updates done
  int64_t epoch = 0;        // the epoch in progress, from 0
  int64_t batch = 0;        // batches of the epoch already trained on
  double loss_sum = 0;      // over those batches
  int64_t validated_step = -1;          // the step of the last validation; -1: none yet
  double raw_metric = 0, ema_metric = 0;  // train.best_metric on val at that step
  BestRecord best;          // of best.safetensors
  std::vector<double> thresholds;  // of best.safetensors; none in files from before they existed
  bool finished = false;
  std::vector<double> history;  // the better of both at each validation, for the sparkline
  std::vector<int64_t> bad_train, bad_val;  // samples skipped as bad pictures and reported
  int threads = 0;              // compute threads: bit-equal resuming needs the same number
  std::string fingerprint;      // of the training and validation data
  std::string picture_sizes;    // see sizes_fingerprint(); "" in files from before it existed
  std::string config;           // the resolved config, TOML

  bool operator==(const TrainingState&) const = default;
};

// Converts to safetensors metadata and back; numbers are preserved exactly.
// Errors: DataError naming `file` and the field that is missing or malformed.
std::map<std::string, std::string> to_metadata(const TrainingState& state);
TrainingState from_metadata(const std::map<std::string, std::string>& metadata,
                            const std::string& file);
// Whether the metadata are a training state's, of any version.
bool is_training_state(const std::map<std::string, std::string>& metadata);

}  // namespace mld
