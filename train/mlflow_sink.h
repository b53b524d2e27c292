// The log of a run in an MLflow file store (train/mlflow_store.h): its config as parameters, its
// numbers as metrics, a link to its folder as artifacts.
#pragma once

#include <cstdint>
#include <memory>

#include "train/run_log.h"

namespace mld {

// Adds the run to the store config.log.mlflow, or goes on with it after cutting off what is beyond
// `step`: the run folder remembers its id there. Errors: DataError for a store that cannot be used.
std::unique_ptr<LogSink> mlflow_sink(const RunFolder& folder, int64_t step, const Config& config);

}  // namespace mld
