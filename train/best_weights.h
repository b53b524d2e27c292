// Keeps a run's best weights so far.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "nn/module.h"

namespace mld {

// The best validation so far.
struct BestRecord {
  double metric = -1;   // train.best_metric on val; -1: none yet
  int64_t step = -1;    // updates done by then; -1: none yet
  std::string weights;  // whose metric it is: "raw" = the model's, "ema" = the average's

  bool operator==(const BestRecord&) const = default;
};

// How many validations in a row did not beat the best before them.
//   history: train.best_metric (the better of model and average) at each validation
int64_t validations_without_progress(std::span<const double> history);

// The record and its weights: the model's (or the average's) own until the next update changes
// these, from then on a copy.
class BestWeights {
 public:
  // now("raw"), now("ema"): copies of the current weights.
  using Now = std::function<StateDict(const std::string& weights)>;
  explicit BestWeights(Now now) : now_(std::move(now)) {}

  // Takes the metrics of a validation after `step` updates; returns whether it is the best so far.
  // A tie does not replace the best, and if the average ties with the model, the model counts.
  bool offer(int64_t step, double raw, std::optional<double> average);
  // To be called before the weights change; they are those after `step` updates.
  void before_update(int64_t step);

  const BestRecord& record() const { return record_; }
  // Errors: Error if there is none.
  StateDict weights() const;
  // Needed for restore() in a saved state, besides the record and the weights of its step.
  const StateDict& kept() const { return kept_; }
  void restore(BestRecord record, StateDict kept);

 private:
  Now now_;
  BestRecord record_;
  StateDict kept_;  // empty while now_ still gives the best weights
};

}  // namespace mld
