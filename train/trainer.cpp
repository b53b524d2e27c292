#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "core/parallel.h"
#include "data/file.h"
#include "data/text.h"
#include "train/assemble.h"
#include "train/hf_config.h"
#include "train/memory.h"
#include "train/run_data.h"
#include "train/stop_signal.h"

namespace mld {

Trainer::Trainer(LoadedConfig config, Device device, RunLog& log, Start start)
    : loaded_(std::move(config)), device_(device), log_(log) {
  backend(device_).set_deterministic(config_.train.deterministic);
  RunData data = open_run_data(config_);
  const size_t kept = data.cache_bytes();
  data_ = std::move(data.splits);
  train_loader_ = std::move(data.train);
  val_loader_ = std::move(data.val);
  for (const Dataset* split : {data_.train.get(), data_.val.get()}) {
    for (const std::string& note : split->notes()) {
      log_.message(note);
    }
  }
  for (const std::string& warning : data_.warnings) {
    log_.warning(warning);
  }

  ModelSpec spec = config_.model;
  spec.classes = static_cast<int64_t>(data_.train->class_names().size());
  require_memory(config_, spec.classes, device_, kept);
  model_ = make_model(spec);
  initialize(*model_, static_cast<uint64_t>(config_.seed));
  if (start == Start::fresh && !config_.init.init.empty()) {
    start_model();
  }
  to(*model_, device_);
  optimizer_ = make_optimizer(config_.optim, *model_);
  if (config_.train.model_ema_decay > 0) {
    ema_.emplace(*model_, config_.train.model_ema_decay);
  }
  step_ = std::make_unique<TrainingStep>(
      config_, device_,
      TrainingStep::Subject{.model = *model_,
                            .forward = [this](const Var& images) { return (*model_)(images); },
                            .optimizer = *optimizer_,
                            .average = ema_ ? &*ema_ : nullptr});
  schedule_ = {.spec = config_.schedule,
               .lr = config_.optim.lr,
               .beta1 = config_.optim.beta1(),
               .epochs = config_.train.epochs,
               .steps_per_epoch = train_loader_->batches_per_epoch()};
  state_.threads = compute_threads();
  state_.fingerprint = fmt::format("{:016x}-{:016x}", fingerprint(*data_.train),
                                   fingerprint(*data_.val));
  state_.config = to_toml(config_, loaded_.origins);
}

// Starts from model.init. With the strict policy a checkpoint of ours must be of the same classes.
void Trainer::start_model() {
  const LoadReport report = load_start(config_, *data_.train, *model_);
  log_.message(fmt::format("{}: {} tensors of the model keep their initial values, {} of the file "
                           "are not used", config_.init.init,
                           report.missing.size() + report.mismatched.size(),
                           report.unexpected.size() + report.mismatched.size()));
}

void Trainer::open(const RunFolder& folder) {
  folder_ = folder;
  if (std::filesystem::exists(folder_.state())) {
    resume();
  } else {
    log_.open(folder_, 0);
  }
  write_file_atomically(folder_.hf_config(),
                        hf_config_json(info("raw"), model_->backbone->features()));
}

ExitCode Trainer::run() {
  last_save_ = std::chrono::steady_clock::now();
  while (state_.epoch < epochs()) {
    if (const ExitCode code = run_epoch(); code != ExitCode::ok) {
      return code;
    }
  }
  return ExitCode::ok;
}

ExitCode Trainer::run_epoch() {
  set_training(*model_, true);
  train_loader_->start(state_.epoch, state_.batch);
  while (const auto batch = train_loader_->next()) {
    start_update(*batch);
    finish_updates(step_->lag());
    const bool last = state_.batch == train_loader_->batches_per_epoch();
    const bool stop = stop_requested();  // asked once: a signal may come any time
    if (stop || (!last && save_is_due())) {
      finish_updates(0);
      save();
    }
    if (stop) {
      return ExitCode::stopped;
    }
  }
  finish_updates(0);
  const bool finished = finish_epoch();
  save();
  return !finished || (stop_requested() && state_.epoch < epochs()) ? ExitCode::stopped
                                                                    : ExitCode::ok;
}

// Queues one update. Out of memory, the error also names a batch size that fits, found by trying.
void Trainer::start_update(const Batch& batch) {
  if (state_.best_step == state_.step) {
    best_ = best_weights();  // the model moves on
  }
  const Rates now = schedule_.at(state_.step);
  std::string reason;
  try {
    step_->queue(batch, now, state_.step);
  } catch (const OutOfMemory& error) {
    reason = error.what();
  }  // what the step held is free again
  if (!reason.empty()) {
    finish_updates(0);
    const int64_t fits = step_->fitting_part(batch);
    fail<OutOfMemory>("step {}: {}; {}; the last save is kept", state_.step, reason,
                      fits > 0 ? fmt::format("{} pictures at a time fit: train.batch_size = {}",
                                             fits, fits * config_.optim.grad_accum_steps)
                               : std::string("no smaller part of the batch fits"));
  }
  ++state_.batch;
  ++state_.step;
  under_way_.push_back({.epoch = state_.epoch, .epochs = epochs(), .batch = state_.batch,
                        .batches = train_loader_->batches_per_epoch(), .step = state_.step,
                        .images = batch.images.shape()[0], .lr = now.lr});
}

// Takes the results of all updates under way but so many, oldest first. What is not finite ends the
// run; an update that was queued behind it has changed the model meanwhile, but is never saved.
void Trainer::finish_updates(size_t but) {
  while (under_way_.size() > but) {
    StepReport report = under_way_.front();
    under_way_.pop_front();
    const TrainingStep::Result result = step_->result();
    require<NumericError>(std::isfinite(result.loss),
                          "step {}: the loss is {}; the last save is kept. Try a lower optim.lr or "
                          "optim.clip_grad = 1", report.step - 1, result.loss);
    require<NumericError>(std::isfinite(result.gradient_norm),
                          "step {}: the gradients are not finite (loss {}); the last save is kept. "
                          "Try a lower optim.lr or optim.clip_grad = 1", report.step - 1,
                          result.loss);
    report.loss = result.loss;
    state_.loss_sum += result.loss;
    log_.step(report);
  }
}

// Nothing if a signal came meanwhile.
std::optional<Evaluation> Trainer::validate() {
  const std::optional<Scores> scores = score_split(*model_, *val_loader_, config_, device_,
                                                   stop_requested);
  if (!scores) {
    return std::nullopt;
  }
  Evaluation result = evaluate(*scores, data_.val->class_names(), config_.task == Task::single_label);
  result.skipped = static_cast<int64_t>(val_loader_->bad_pictures().size());
  return result;
}

// Validates and moves on to the next epoch. A signal during validation leaves the state where it
// was, at the end of the epoch's batches, and gives false.
bool Trainer::finish_epoch() {
  const int64_t batches = train_loader_->batches_per_epoch();
  EpochReport report{.epoch = state_.epoch, .step = state_.step,
                     .loss = state_.loss_sum / static_cast<double>(batches),
                     .lr = schedule_.at(state_.step - 1).lr,
                     .metric = config_.train.best_metric, .history = {}};
  const int64_t next = state_.epoch + 1;
  if (next % config_.train.val_interval == 0 || next == epochs()) {
    step_->release();  // validation needs the memory
    const std::optional<Evaluation> raw = validate();
    std::optional<Evaluation> average;
    if (raw && ema_) {
      const Ema::Scope scope(*ema_);
      average = validate();
    }
    if (!raw || (ema_ && !average)) {
      return false;
    }
    note_validation(*raw, average);
    report.validated = true;
  }
  state_.epoch = next;
  state_.batch = 0;
  state_.loss_sum = 0;
  state_.finished = next == epochs();
  report.raw_metric = state_.raw_metric;
  report.ema_metric = ema_ ? state_.ema_metric : -1;
  report.best_metric = state_.best_metric;
  report.history = state_.history;
  log_.epoch(report);
  warn_of_bad_pictures();
  return true;
}

// Names the pictures that were skipped (data.on_bad_image = "skip") and not yet told of.
void Trainer::warn_of_bad_pictures() {
  const auto tell = [&](const char* split, const Loader& loader, std::vector<int64_t>& told) {
    std::string list;
    const std::vector<BadPicture> bad = loader.bad_pictures();
    for (const BadPicture& picture : bad) {
      if (std::find(told.begin(), told.end(), picture.sample) == told.end()) {
        told.push_back(picture.sample);
        list += "\n  " + picture.error;
      }
    }
    if (!list.empty()) {
      log_.warning(fmt::format("{}: {} skipped so far, new are:{}", split,
                               counted(static_cast<int64_t>(bad.size()), "bad picture"), list));
    }
  };
  const std::map<int64_t, std::string>& damage = train_loader_->harmless_damage();
  if (damage.size() > damage_told_) {
    damage_told_ = damage.size();
    log_.warning(fmt::format("train: {} with damage outside the pixels, which are used; such as {}",
                             counted(static_cast<int64_t>(damage.size()), "picture"),
                             damage.begin()->second));
  }
  tell("train", *train_loader_, state_.bad_train);
  tell("val", *val_loader_, state_.bad_val);
}

void Trainer::note_validation(const Evaluation& raw, const std::optional<Evaluation>& average) {
  const std::string& name = config_.train.best_metric;
  state_.validated_step = state_.step;
  state_.raw_metric = raw.metric(name);
  state_.ema_metric = average ? average->metric(name) : 0;
  const bool ema_wins = average && state_.ema_metric > state_.raw_metric;
  const double better = ema_wins ? state_.ema_metric : state_.raw_metric;
  state_.history.push_back(better);
  if (better > state_.best_metric) {
    state_.best_metric = better;
    state_.best_step = state_.step;
    state_.best_from = ema_wins ? "ema" : "raw";
    best_.clear();  // the model has them
    const Evaluation& best = ema_wins ? *average : raw;
    write_file_atomically(folder_.val() / "metrics.json", evaluation_json(best) + "\n");
    write_file_atomically(folder_.val() / "per_class.csv", per_class_csv(best));
  }
}

bool Trainer::save_is_due() const {
  const std::chrono::duration<double> since = std::chrono::steady_clock::now() - last_save_;
  return since.count() >= config_.train.checkpoint_minutes * 60;
}

}  // namespace mld
