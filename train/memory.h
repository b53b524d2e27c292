// Predicts the memory of training before anything is loaded, by rehearsing updates on the meta
// backend (core/meta).
#pragma once

#include <string>

#include "train/config.h"
#include "train/training_step.h"

namespace mld {

// Runs updates and scoring without data.
class Rehearsal {
 public:
  // On kMeta nothing is computed; elsewhere the model has initial values.
  Rehearsal(const Config& config, int64_t classes, Device device);

  // One update with `images` empty pictures of `side` pixels; waits for its end.
  void update(int64_t images, int64_t side);
  // Scores pictures as validation does; with the averaged model, if there is one.
  void score(int64_t images, int64_t side);
  Model& model() { return *learner_.model; }

 private:
  Device device_;
  Learner learner_;
};

// The peak memory of a run, in bytes, and its work.
struct TrainingNeeds {
  size_t tensors = 0;   // on the model's device: values, gradients, moments, activations, copies
  size_t host = 0;      // on the host beside them: `data` and batches; with another device also
                        // what saving copies
  int64_t macs = 0;     // of one update

  // Bytes on the device that computes.
  size_t on(Device device) const { return tensors + (device.is_cpu() ? host : 0); }
};
// `data`: bytes that the data take, RunData::bytes(). Errors: UsageError, with the setting to
// change, if a part of a batch is so small that a norm has one value per channel.
TrainingNeeds training_needs(const Config& config, int64_t classes, Device device, size_t data);

// The memory that scoring a split takes, without cached pictures.
size_t scoring_needs(const Config& config, int64_t classes, Device device);

// "" if training fits into `free` bytes of the device and the host's free memory; else a message
// with predicted and free memory and the largest batch, or optim.grad_accum_steps, that fits.
std::string memory_shortage(const Config& config, int64_t classes, Device device, size_t data,
                            size_t free);
// Errors: OutOfMemory with memory_shortage()'s message for the memory that is free now.
void require_memory(const Config& config, int64_t classes, Device device, size_t data);

}  // namespace mld
