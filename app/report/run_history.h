// What a run's results.csv and log.jsonl say (docs/formats.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/run_folder.h"

namespace mld {

struct RunHistory {
  struct Epoch {
    int64_t epoch = 0, step = 0;  // completed
    double loss = 0, lr = 0, seconds = 0;
    std::optional<double> raw, average, best;  // of the metric; empty in epochs without validation
    std::map<std::string, double> zero_shot;   // the further columns
  };
  struct Step {
    int64_t step = 0;
    double loss = 0, lr = 0;
    double gradient_norm = 0, images_per_second = 0;  // NaN: not recorded
  };
  struct Note {
    int64_t step = 0;
    bool warning = false;
    std::string text;
  };

  std::string metric;  // its name
  std::vector<Epoch> epochs;
  std::vector<Step> steps;
  std::vector<int64_t> starts;  // steps at which the run began or was resumed
  std::vector<Note> notes;
  std::string last_time;  // of the last event, UTC; "" without events
  std::vector<std::string> problems;  // files and lines that could not be read

  double seconds() const;  // of all epochs
};

// A missing or damaged file is a problem, not an error: what can be read is returned. Numbers that
// JSON does not have (NaN) are null there and NaN here.
RunHistory read_history(const RunFolder& folder);

}  // namespace mld
