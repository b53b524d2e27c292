// The trainer's saving and resuming.
//
// Note [Order of saving]. last.state.safetensors is written first and alone suffices to resume;
// last and best are written after it. A kill in between leaves them a save behind (or missing), and
// resuming writes them again from the state: last always, best if the state was taken at the best
// step (otherwise the best file dates from an earlier, completed save).
#include "core/parallel.h"
#include "data/safetensors.h"
#include "train/trainer.h"

namespace mld {

static constexpr const char* kStep = "step";  // among a weight file's metrics

CheckpointInfo Trainer::info(const std::string& weights) const {
  CheckpointInfo info{.model = model_->spec,
                      .task = config_.task,
                      .class_names = data_.train->class_names(),
                      .image_size = config_.data.image_size,
                      .resize = config_.data.resize,
                      .interpolation = config_.data.interpolation,
                      .normalize = config_.data.normalize,
                      .weights = weights,
                      .metrics = {{kStep, static_cast<double>(state_.step)}},
                      .config = to_toml(config_, {}, Keys::portable)};
  if (state_.validated_step == state_.step) {
    info.metrics[config_.train.best_metric] =
        weights == "ema" ? state_.ema_metric : state_.raw_metric;
  }
  return info;
}

void Trainer::save() {
  Checkpoint state{.tensors = {}, .metadata = to_metadata(state_)};
  append(state.tensors, "model", state_dict(*model_));
  append(state.tensors, "optimizer", optimizer_->state());
  if (ema_) {
    append(state.tensors, "ema", ema_->state());
  }
  save_checkpoint(folder_.state(), state);
  write_last();
  if (state_.best_step == state_.step) {
    write_best();
  }
  last_save_ = std::chrono::steady_clock::now();
}

void Trainer::write_last() { save_model(folder_.last(), state_dict(*model_), info("raw")); }

void Trainer::write_best() {
  const bool average = state_.best_from == "ema";
  save_model(folder_.best(), average ? ema_->state() : state_dict(*model_), info(state_.best_from));
}

// Whether a weight file is there, whole, and was written at this step.
static bool written_at(const std::filesystem::path& path, int64_t step) {
  if (!std::filesystem::exists(path)) {
    return false;
  }
  try {
    const CheckpointInfo info = read_checkpoint_info(path);
    const auto found = info.metrics.find(kStep);
    return found != info.metrics.end() && found->second == static_cast<double>(step);
  } catch (const DataError&) {
    return false;  // damaged: written again from the state
  }
}

bool weights_are_current(const RunFolder& folder, const TrainingState& state) {
  return written_at(folder.last(), state.step) &&
         (state.best_step != state.step || written_at(folder.best(), state.step));
}

void Trainer::resume() {
  if (!std::filesystem::exists(folder_.state())) {
    log_.open(folder_, 0);
    return;
  }
  const std::string file = folder_.state().string();
  const Checkpoint saved = load_checkpoint(folder_.state());
  const TrainingState state = from_metadata(saved.metadata, file);
  require<DataError>(state.fingerprint == state_.fingerprint,
                     "{}: the run was trained on other data (fingerprint {}, now {}); point "
                     "data.root at the same pictures and labels, or start a new run",
                     file, state.fingerprint, state_.fingerprint);
  load_state(*model_, part(saved.tensors, "model"));
  to(*model_, device_);
  optimizer_->load_state(part(saved.tensors, "optimizer"));
  if (ema_) {
    ema_->load_state(part(saved.tensors, "ema"));
  }
  const int threads = state_.threads;
  const std::string config = state_.config;
  state_ = state;
  state_.config = config;
  log_.open(folder_, state_.step);
  if (state.threads != threads) {
    log_.warning(fmt::format("the run used {} compute threads, now {}: results stay right, but not "
                             "equal bit for bit; set threads = {} for that", state.threads, threads,
                             state.threads));
    state_.threads = threads;
  }
  if (!written_at(folder_.last(), state_.step)) {
    write_last();
  }
  if (state_.best_step == state_.step && !written_at(folder_.best(), state_.step)) {
    write_best();
  }
}

}  // namespace mld
