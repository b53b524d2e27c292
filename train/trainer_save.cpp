// The trainer's saving and resuming.
//
// Note [Order of saving]. last.state.safetensors is written first and suffices to resume; last and
// best are written after it. A kill in between leaves these one save behind (or missing), and
// resuming rewrites them from the state. So the state holds the best weights too: as "best.*" if
// they are neither the model's nor the average's at its step.
#include <utility>

#include "data/safetensors.h"
#include "train/trainer.h"

namespace mld {

static constexpr const char* kStep = "step";  // among a weight file's metrics

CheckpointInfo Trainer::info(const std::string& weights) const {
  CheckpointInfo info{.model = model().spec,
                      .preprocess = config_.preprocess,
                      .task = config_.task,
                      .class_names = {},
                      .weights = weights,
                      .metrics = {{kStep, static_cast<double>(state_.step)}},
                      .thresholds = {},
                      .config = to_toml(config_, {}, Keys::portable)};
  info.set_label_space(data_.splits.val->label_space(), model().word_dim() > 0);
  if (state_.validated_step == state_.step) {
    info.metrics[config_.train.best_metric] =
        weights == "ema" ? state_.ema_metric : state_.raw_metric;
  }
  return info;
}

Checkpoint Trainer::checkpoint() {
  Checkpoint state{.tensors = {}, .metadata = to_metadata(state_)};
  append(state.tensors, "model", state_dict(model()));
  append(state.tensors, "optimizer", learner_.optimizer->state());
  if (learner_.average) {
    append(state.tensors, "ema", learner_.average->state());
  }
  append(state.tensors, "best", best_.kept());
  return state;
}

void Trainer::save() {
  save_checkpoint(folder_.state(), checkpoint());  // its copies are gone before the next are made
  write_last();
  if (state_.best.step == state_.step) {
    write_best();
  }
  last_save_ = monotonic_seconds();
}

void Trainer::write_last() { save_model(folder_.last(), state_dict(model()), info("raw")); }

void Trainer::write_best() {
  CheckpointInfo best = info(state_.best.weights);
  best.metrics = {{kStep, static_cast<double>(state_.best.step)},
                  {config_.train.best_metric, state_.best.metric}};
  best.thresholds = state_.thresholds;
  save_model(folder_.best(), best_.weights(), best);
}

// Whether a weight file is there, undamaged, and was written at this step.
static bool written_at(const std::filesystem::path& path, int64_t step) {
  if (!std::filesystem::exists(path)) {
    return false;
  }
  try {
    const CheckpointFile file(path);
    const CheckpointInfo info = checkpoint_info(file.metadata(), file.path());
    const auto found = info.metrics.find(kStep);
    return found != info.metrics.end() && found->second == static_cast<double>(step);
  } catch (const DataError&) {
    return false;  // damaged: will be rewritten from the state
  }
}

bool weights_are_current(const RunFolder& folder, const TrainingState& state) {
  return written_at(folder.last(), state.step) &&
         (state.best.step < 0 || written_at(folder.best(), state.best.step));
}

void Trainer::resume() {
  const std::string file = folder_.state().string();
  const Checkpoint saved = load_checkpoint(folder_.state());
  const TrainingState state = from_metadata(saved.metadata, file);
  require<DataError>(state.fingerprint == state_.fingerprint,
                     "{}: the run was trained on other data (fingerprint {}, now {}); point "
                     "data.root at the same pictures and labels, or start a new run",
                     file, state.fingerprint, state_.fingerprint);
  load_state(model(), part(saved.tensors, "model"));
  to(model(), device_);
  learner_.optimizer->load_state(part(saved.tensors, "optimizer"));
  if (learner_.average) {
    learner_.average->load_state(part(saved.tensors, "ema"));
  }
  best_.restore(state.best, part(saved.tensors, "best"));
  const TrainingState now = std::exchange(state_, state);
  state_.config = now.config;
  state_.threads = now.threads;
  state_.picture_sizes = now.picture_sizes;
  state_.finished = ended();  // not if it has been made longer
  data_.train->note_bad(state_.bad_train);
  data_.val->note_bad(state_.bad_val);
  log_.open(folder_, state_.step, config_);
  if (state.threads != now.threads) {
    log_.warning(fmt::format("the run used {} compute threads, now {}: results stay right, but not "
                             "equal bit for bit; set threads = {} for that", state.threads,
                             now.threads, state.threads));
  }
  if (!state.picture_sizes.empty() && state.picture_sizes != now.picture_sizes) {
    log_.warning("picture files have other sizes than when the run was saved: it goes on with the "
                 "pictures as they are now, and not to the results it would have had");
  }
  if (!written_at(folder_.last(), state_.step)) {
    write_last();
  }
  if (state_.best.step >= 0 && !written_at(folder_.best(), state_.best.step)) {
    write_best();
  }
}

}  // namespace mld
