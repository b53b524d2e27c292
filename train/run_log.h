// What a run tells: a progress line and messages on stderr, and the folder's log files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "train/run_folder.h"

namespace mld {

// Where a run stands after a step.
struct StepReport {
  int64_t epoch = 0, epochs = 0;    // epoch counted from 0
  int64_t batch = 0, batches = 0;   // batches done in it
  int64_t step = 0;                 // updates done
  int64_t images = 0;               // of this step
  double loss = 0, lr = 0;
};

// One row of results.csv.
struct EpochReport {
  int64_t epoch = 0, step = 0;
  double loss = 0;            // mean over the epoch's batches
  double lr = 0;              // of its last update
  bool validated = false;
  double raw_metric = 0;      // train.best_metric on val
  double ema_metric = -1;     // -1: there is no average
  double best_metric = 0;
  std::string metric;         // its name
  std::vector<double> history;  // the better of both, per validation: the sparkline
};

class RunLog {
 public:
  virtual ~RunLog() = default;

  // Begins writing to a run's folder; what its files say beyond `step` (of a run that was killed
  // after its last save) is cut off. Messages before this are written to the files then.
  virtual void open(const RunFolder& folder, int64_t step) = 0;
  virtual void message(const std::string& text) = 0;
  virtual void warning(const std::string& text) = 0;
  virtual void step(const StepReport& report) = 0;
  virtual void epoch(const EpochReport& report) = 0;
};

// quiet: only warnings and the rows per epoch on stderr; the files are complete.
std::unique_ptr<RunLog> make_run_log(bool quiet);

}  // namespace mld
