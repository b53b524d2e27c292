// The three commands of mlinfer. Results go to stdout.
#pragma once

#include "app/cli.h"
#include "core/error.h"

namespace mld {

// Scores a checkpoint on a split. Errors: DataError for a checkpoint or data that cannot be read,
// or whose classes differ.
ExitCode eval_command(const EvalCommand& command);

// Labels pictures. A picture that cannot be read is named on stderr, the others are done, and the
// result is then ExitCode::data.
ExitCode predict_command(const PredictCommand& command);

// Describes a checkpoint, or a model by its name.
ExitCode info_command(const InfoCommand& command);

}  // namespace mld
