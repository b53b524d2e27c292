// The training run: epochs of steps, validation, saving, resuming.
//
// A run's results are a pure function of its config, its data and the number of compute threads.
// Everything that changes during the run is in TrainingState, the model, the average and the
// optimiser; save() writes all of it, so a killed and resumed run gives the same bits.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "core/error.h"
#include "train/best_weights.h"
#include "train/checkpoint.h"
#include "train/config.h"
#include "train/disk_space.h"
#include "train/evaluate.h"
#include "train/run_data.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/training_state.h"
#include "train/training_step.h"

namespace mld {

class Trainer {
 public:
  enum class Start {
    fresh,  // from initial values, or model.init
    saved,  // the folder given to open() has a saved state
  };
  // Opens the data and builds the model; writes nothing. Errors: DataError for data or a checkpoint
  // that cannot be used, UsageError for settings that do not fit the data, OutOfMemory if training
  // is predicted not to fit (train/memory.h).
  Trainer(LoadedConfig config, Device device, RunLog& log, Start start);

  // The size of the run's files.
  RunBytes bytes_on_disk() const { return run_bytes(model(), config_); }

  // The data; they live as long as the trainer.
  const Splits& splits() const { return data_.splits; }

  // Sets the folder to save to; continues from its saved state if it has one.
  // Errors: DataError for a state that cannot be read or does not fit the data.
  void open(const RunFolder& folder);

  // Trains to the end. Returns ok, or stopped after a signal (the state is saved).
  // Errors: NumericError when loss or gradients are not finite (nothing is saved then), and
  // whatever loading data or saving raises.
  ExitCode run();

 private:
  ExitCode run_epoch();
  void start_update(const Batch& batch);
  void take_results(size_t still_queued);
  bool finish_epoch();
  std::optional<Evaluation> evaluate_now(const char* weights);
  bool validate(EpochReport& report);
  void warn_of_bad_pictures();

  RunData open_data();
  std::unique_ptr<Model> start_model(Start start);
  Checkpoint checkpoint();  // the whole training state, with copies of the tensors
  void save();
  void write_last();
  void write_best();
  void resume();
  CheckpointInfo info(const std::string& weights) const;

  Model& model() const { return *learner_.model; }
  int64_t epochs() const { return all_epochs(config_.schedule, config_.train.epochs); }
  bool save_is_due() const;
  // Nothing is left to train: all epochs done, or train.patience used up.
  bool ended() const;
  bool out_of_patience() const;

  LoadedConfig loaded_;
  const Config& config_ = loaded_.config;
  Device device_;
  RunLog& log_;
  RunFolder folder_;

  RunData data_;
  Learner learner_;
  std::deque<StepReport> queued_;  // of updates whose results have not been taken yet
  BestWeights best_;
  Schedule schedule_;
  TrainingState state_;
  size_t damage_reported_ = 0;  // pictures with harmless damage that was warned about
  double last_save_ = 0;        // by monotonic_seconds()
};

// Whether the weight files of a folder are undamaged and belong to its saved state (after a kill
// they may be older).
bool weights_are_current(const RunFolder& folder, const TrainingState& state);

}  // namespace mld
