// What training takes, known before anything is loaded: updates rehearsed on meta (core/meta).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "models/model.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "train/config.h"
#include "train/objective.h"
#include "train/training_step.h"

namespace mld {

// A model with all that its updates need, for updates without data.
class Rehearsal {
 public:
  // On kMeta nothing is computed; elsewhere the model has initial values.
  Rehearsal(const Config& config, int64_t classes, Device device);
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  // One update from `images` empty pictures of `side` pixels; waits for it.
  void update(int64_t images, int64_t side);
  // Scores as many, as validation does; with the averaged model where there is one.
  void score(int64_t images, int64_t side);
  Model& model() { return *model_; }

 private:
  const Config& config_;
  Device device_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Ema> average_;
  std::unique_ptr<TrainingStep> step_;
};

// What a run takes at its largest, in bytes.
struct TrainingNeeds {
  size_t tensors = 0;   // where the model is: values, gradients, moments, activations, copies
  size_t pictures = 0;  // on the host: batches under way, and `kept` decoded pictures
  int64_t macs = 0;     // of one update

  // Of the memory of the device that computes.
  size_t on(Device device) const { return tensors + (device.is_cpu() ? pictures : 0); }
};
// `kept`: bytes of pictures that loaders keep. Errors: UsageError if a batch's part is so small that
// a norm has one value per channel (the setting to change).
TrainingNeeds training_needs(const Config& config, int64_t classes, Device device, size_t kept);

// What scoring a split takes, without kept pictures.
size_t scoring_needs(const Config& config, int64_t classes, Device device);

// "" if training fits into `free` bytes of the device; else predicted and free, the largest batch
// that fits, or the optim.grad_accum_steps that would do.
std::string memory_shortage(const Config& config, int64_t classes, Device device, size_t kept,
                            size_t free);
// Errors: OutOfMemory with memory_shortage()'s words for what is free now.
void require_memory(const Config& config, int64_t classes, Device device, size_t kept);

}  // namespace mld
