#include "train/trainer.h"

#include <algorithm>
#include <cmath>

#include "core/kernels.h"
#include "core/parallel.h"
#include "data/file.h"
#include "data/text.h"
#include "models/registry.h"
#include "train/config.h"
#include "train/event_files.h"
#include "train/hf_config.h"
#include "train/kept_scores.h"
#include "train/memory.h"
#include "train/run_data.h"
#include "train/start_weights.h"
#include "train/stop_signal.h"
#include "train/thresholds.h"

namespace mld {

Trainer::Trainer(LoadedConfig config, Device device, RunLog& log, Start start)
    : loaded_(std::move(config)), device_(device), log_(log), data_(open_data()),
      learner_(config_, device_, start_model(start), data_.splits.train->label_space(),
               data_.splits.val->label_space()),
      best_([this](const std::string& weights) {
        return weights == "ema" ? learner_.average->state() : state_dict(model());
      }) {
  schedule_ = {.spec = config_.schedule,
               .lr = config_.optim.lr,
               .beta1 = config_.optim.beta1(),
               .epochs = config_.train.epochs,
               .steps_per_epoch = data_.train->batches_per_epoch()};
  state_.threads = compute_threads();
  const auto of_both = [this](uint64_t (*hash)(const Dataset&)) {
    return fmt::format("{:016x}-{:016x}", hash(*data_.splits.train), hash(*data_.splits.val));
  };
  state_.fingerprint = of_both(fingerprint);
  if (model().word_dim() > 0) {
    state_.fingerprint +=
        fmt::format("-{:016x}", vectors_fingerprint(data_.splits.val->label_space()));
  }
  state_.picture_sizes = of_both(sizes_fingerprint);
  state_.config = to_toml(config_, loaded_.origins);
}

RunData Trainer::open_data() {
  backend(device_).set_deterministic(config_.train.deterministic);  // fails without such a device
  RunData data = open_run_data(config_);
  loaded_.config.model.word_dim = data.model.word_dim;
  for (const Dataset* split : {data.splits.train.get(), data.splits.val.get()}) {
    for (const std::string& note : split->notes()) {
      log_.message(note);
    }
  }
  for (const std::string& warning : data.splits.warnings) {
    log_.warning(warning);
  }
  const int64_t samples = data.splits.val->size(), classes = data.splits.val->label_space().size();
  if (!may_keep_scores(samples, classes)) {
    log_.message(fmt::format(
        "the scores of {} and {} classes take {} MB: more than {} MB are not kept, so the report "
        "shows no single pictures", counted(samples, "picture"), classes,
        score_bytes(samples, classes) / 1'000'000, kMostScoreBytes / 1'000'000));
  }
  return data;
}

// With initial weights or those of files. With the strict policy, one of our checkpoints must have
// the same classes.
std::unique_ptr<Model> Trainer::start_model(Start start) {
  require_memory(config_, data_.model.classes, device_, data_.bytes());
  std::unique_ptr<Classifier> model = make_trained_model(config_, data_.model);
  initialize(*model, static_cast<uint64_t>(config_.seed));
  if (start == Start::fresh) {
    for (const std::string& loaded :
         load_start_weights(*model, config_.init, data_.splits.train->class_names())) {
      log_.message(loaded);
    }
  }
  return model;
}

void Trainer::open(const RunFolder& folder) {
  folder_ = folder;
  if (std::filesystem::exists(folder_.state())) {
    resume();
  } else {
    log_.open(folder_, 0, config_);
  }
  write_file_atomically(folder_.hf_config(),
                        hf_config_json(info("raw"), model().features()));
}

ExitCode Trainer::run() {
  last_save_ = monotonic_seconds();
  while (!ended()) {
    if (const ExitCode code = run_epoch(); code != ExitCode::ok) {
      return code;
    }
  }
  if (state_.epoch < epochs()) {
    log_.message(fmt::format("no better {} in {}: the run ends (train.patience)",
                             config_.train.best_metric,
                             counted(config_.train.patience, "validation")));
  }
  return ExitCode::ok;
}

ExitCode Trainer::run_epoch() {
  set_training(model(), true);
  data_.train->start(state_.epoch, state_.batch);
  while (const auto batch = data_.train->next()) {
    start_update(*batch);
    take_results(learner_.step->lag());
    const bool last = state_.batch == data_.train->batches_per_epoch();
    const bool stop = stop_requested();  // called once, since a signal may come at any time
    if (stop || (!last && save_is_due())) {
      take_results(0);
      save();
    }
    if (stop) {
      return ExitCode::stopped;
    }
  }
  take_results(0);
  const bool finished = finish_epoch();
  save();
  return !finished || (stop_requested() && !ended()) ? ExitCode::stopped
                                                                    : ExitCode::ok;
}

// Queues one update. When memory runs out, finds a batch size that fits by trying, and names it in
// the error.
void Trainer::start_update(const Batch& batch) {
  best_.before_update(state_.step);
  const Rates now = schedule_.at(state_.step);
  std::string reason;
  try {
    learner_.step->queue(batch, now, state_.step);
  } catch (const OutOfMemory& error) {
    reason = error.what();
  }  // the step's memory is free again
  if (!reason.empty()) {
    take_results(0);
    const int64_t fits = learner_.step->fitting_part(batch);
    fail<OutOfMemory>("step {}: {}; {}; the last save is kept", state_.step, reason,
                      fits > 0 ? fmt::format("{} pictures at a time fit: train.batch_size = {}",
                                             fits, fits * config_.optim.grad_accum_steps)
                               : std::string("no smaller part of the batch fits"));
  }
  ++state_.batch;
  ++state_.step;
  queued_.push_back({.epoch = state_.epoch, .epochs = epochs(), .batch = state_.batch,
                        .batches = data_.train->batches_per_epoch(), .step = state_.step,
                        .images = batch.images.shape()[0], .lr = now.lr});
}

// Takes the results of queued updates, oldest first, until only `still_queued` are left. One that
// is not finite ends the run; updates queued after it have changed the model by then, but this is
// never saved.
void Trainer::take_results(size_t still_queued) {
  while (queued_.size() > still_queued) {
    StepReport report = queued_.front();
    queued_.pop_front();
    const TrainingStep::Result result = learner_.step->result();
    require<NumericError>(std::isfinite(result.loss),
                          "step {}: the loss is {}; the last save is kept. Try a lower optim.lr or "
                          "optim.clip_grad = 1", report.step - 1, result.loss);
    require<NumericError>(std::isfinite(result.gradient_norm),
                          "step {}: the gradients are not finite (loss {}); the last save is kept. "
                          "Try a lower optim.lr or optim.clip_grad = 1", report.step - 1,
                          result.loss);
    report.loss = result.loss;
    report.gradient_norm = result.gradient_norm;
    state_.loss_sum += result.loss;
    log_.step(report);
  }
}

// nullopt if a signal came in the meantime. `weights`, which the model holds, is for messages.
std::optional<Evaluation> Trainer::evaluate_now(const char* weights) try {
  Objective& objective = *learner_.objective;
  std::optional<Scores> scores =
      score_split(model(), objective, *data_.val, device_, stop_requested);
  if (!scores) {
    return std::nullopt;
  }
  std::vector<double> thresholds;
  if (!objective.one_label()) {
    thresholds = fit_thresholds(scores->predictions());
  }
  Evaluation result =
      evaluate(*scores, data_.splits.val->class_names(), objective.one_label(), thresholds,
               unseen_marks(config_.task, data_.splits.val->label_space()));
  result.skipped = static_cast<int64_t>(data_.val->bad_pictures().size());
  if (writes_event_files(config_.log)) {
    result.curves = threshold_curves(scores->predictions(), data_.splits.val->class_names(),
                                     static_cast<size_t>(config_.log.pr_curves));
  }
  if (may_keep_scores(scores->split_size, scores->classes)) {
    result.scores = std::make_shared<const Scores>(*std::move(scores));
  }
  return result;
} catch (const NumericError& error) {
  fail<NumericError>("step {}, validation of the {} weights: {}; the last save is kept",
                     state_.step, weights, error.what());
}

// All but those of the best so far.
static void drop_scores(EpochReport& report) {
  if (!report.improved || report.average_is_better) {
    report.raw->scores.reset();
  }
  if (report.average && !(report.improved && report.average_is_better)) {
    report.average->scores.reset();
  }
}

// Evaluates the model and its average and records both. False if a signal came in the meantime.
bool Trainer::validate(EpochReport& report) {
  learner_.step->release();  // validation needs the memory
  report.raw = evaluate_now("raw");
  if (report.raw && learner_.average) {
    const Ema::Scope scope(*learner_.average);
    report.average = evaluate_now("averaged");
  }
  if (!report.raw || (learner_.average && !report.average)) {
    return false;
  }
  const std::string& name = config_.train.best_metric;
  const double raw = report.raw->metric(name);
  const std::optional<double> average =
      report.average ? std::optional(report.average->metric(name)) : std::nullopt;
  state_.validated_step = state_.step;
  state_.raw_metric = raw;
  state_.ema_metric = average.value_or(0);
  state_.history.push_back(std::max(raw, average.value_or(raw)));
  report.improved = best_.offer(state_.step, raw, average);
  report.average_is_better = average && *average > raw;
  if (report.improved) {
    state_.thresholds = (report.average_is_better ? report.average : report.raw)->thresholds();
  }
  drop_scores(report);
  state_.best = best_.record();
  return true;
}

// Validates and moves on to the next epoch. If a signal comes during validation, returns false and
// leaves the state as it was, at the end of the epoch's batches.
bool Trainer::finish_epoch() {
  const int64_t batches = data_.train->batches_per_epoch(), next = state_.epoch + 1;
  EpochReport report{.epoch = state_.epoch, .epochs = epochs(), .step = state_.step,
                     .loss = state_.loss_sum / static_cast<double>(batches),
                     .lr = schedule_.at(state_.step - 1).lr,
                     .metric = config_.train.best_metric,
                     .zero_shot = config_.task == Task::zero_shot};
  const bool due = next % config_.train.val_interval == 0 || next == epochs();
  if (due && !validate(report)) {
    return false;
  }
  state_.epoch = next;
  state_.batch = 0;
  state_.loss_sum = 0;
  state_.finished = ended();
  report.best = state_.best.metric;
  report.history = state_.history;
  warn_of_bad_pictures();  // first: the epoch's report shows it
  log_.epoch(std::move(report));
  return true;
}

// Warns of pictures that were skipped (data.on_bad_image = "skip") since the last warning.
void Trainer::warn_of_bad_pictures() {
  const auto tell = [&](const char* split, const Loader& loader, std::vector<int64_t>& reported) {
    std::string list;
    const std::vector<BadPicture> bad = loader.bad_pictures();
    for (const BadPicture& picture : bad) {
      if (std::find(reported.begin(), reported.end(), picture.sample) == reported.end()) {
        reported.push_back(picture.sample);
        list += "\n  " + picture.error;
      }
    }
    if (!list.empty()) {
      log_.warning(fmt::format("{}: {} skipped so far; new ones:{}", split,
                               counted(static_cast<int64_t>(bad.size()), "bad picture"), list));
    }
  };
  const std::map<int64_t, std::string>& damage = data_.train->harmless_damage();
  if (damage.size() > damage_reported_) {
    damage_reported_ = damage.size();
    log_.warning(fmt::format("train: {} damaged outside the pixels and used anyway, such as {}",
                             counted(static_cast<int64_t>(damage.size()), "picture"),
                             damage.begin()->second));
  }
  tell("train", *data_.train, state_.bad_train);
  tell("val", *data_.val, state_.bad_val);
}

bool Trainer::out_of_patience() const {
  const int64_t patience = config_.train.patience;
  return patience > 0 && validations_without_progress(state_.history) >= patience;
}

bool Trainer::ended() const { return state_.epoch >= epochs() || out_of_patience(); }

bool Trainer::save_is_due() const {
  return monotonic_seconds() - last_save_ >= config_.train.checkpoint_minutes * 60;
}

}  // namespace mld
