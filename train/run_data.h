// The common start of training and `mltrain check`, so that both refuse the same settings and data
// with the same messages, before a picture is decoded or anything is computed.
#pragma once

#include <memory>

#include "data/formats/open.h"
#include "data/loader.h"
#include "models/model_spec.h"
#include "train/config.h"

namespace mld {

struct RunData {
  Splits splits;
  std::unique_ptr<Loader> train, val;  // of the splits
  ModelSpec model;                     // the config's, for the data's classes and their words

  // Memory that the data take beside batches: both loaders' caches and validation's scores,
  // twice where they are kept: those of model and average, or of the best and what a file takes.
  size_t bytes() const;
};

// Opens the data and checks the settings against it. Errors: DataError for data that cannot be
// used, UsageError for settings that do not fit it.
RunData open_run_data(const Config& config);

// The model that a run trains, without values; train.freeze has been applied.
// Errors: UsageError, as make_model and freeze_parts.
std::unique_ptr<Classifier> make_trained_model(const Config& config, const ModelSpec& spec);

}  // namespace mld
