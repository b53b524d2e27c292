// The three commands of mlinfer. Results go to stdout.
#pragma once

#include "app/cli.h"
#include "core/error.h"

namespace mld {

// Evaluates a checkpoint on a split. Errors: DataError for a checkpoint or data that cannot be
// read, or if their classes differ.
ExitCode execute(const EvalCommand& command);

// Labels pictures. If a picture cannot be read, names it on stderr, labels the others and returns
// ExitCode::data.
ExitCode execute(const PredictCommand& command);

// Describes a checkpoint, or the model with a given name.
ExitCode execute(const InfoCommand& command);

}  // namespace mld
