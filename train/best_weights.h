// The best weights of a run so far.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "nn/module.h"

namespace mld {

// Which validation was the best.
struct BestRecord {
  double metric = -1;   // train.best_metric on val; -1: none yet
  int64_t step = -1;    // after how many updates; -1: none yet
  std::string weights;  // whose metric it is: "raw", the model's, or "ema", the average's

  bool operator==(const BestRecord&) const = default;
};

// The record and the weights it is of. They are the model's (or the average's) own until these move
// on: then a copy is kept.
class BestWeights {
 public:
  // now("raw"), now("ema"): copies of the weights as they are at the time of the call.
  using Now = std::function<StateDict(const std::string& weights)>;
  explicit BestWeights(Now now) : now_(std::move(now)) {}

  // A validation after `step` updates, `average` where there is one. Whether it is the best so far:
  // to equal the best is not enough, nor for the average to equal the model itself.
  bool offer(int64_t step, double raw, std::optional<double> average);
  // To be called before every change of the weights, which were those after `step` updates.
  void before_update(int64_t step);

  const BestRecord& record() const { return record_; }
  // Errors: Error if there is none.
  StateDict weights() const;
  // What a saved state must hold for restore(), besides the record and the weights of its step.
  const StateDict& kept() const { return kept_; }
  void restore(BestRecord record, StateDict kept);

 private:
  Now now_;
  BestRecord record_;
  StateDict kept_;  // empty while now_ gives them
};

}  // namespace mld
