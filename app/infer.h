// The commands of mlinfer. Results go to stdout.
#pragma once

#include <string>

#include "app/cli.h"
#include "core/error.h"
#include "data/preprocess.h"

namespace mld {

// Evaluates a checkpoint on a split. Errors: DataError for a checkpoint or data that cannot be
// read, or if their classes differ.
ExitCode execute(const EvalCommand& command);

// Fits a checkpoint's thresholds on a split and writes them into it. Errors: as eval; UsageError
// for a single-label checkpoint.
ExitCode execute(const ThresholdsCommand& command);

// Labels pictures. If a picture cannot be read, names it on stderr, labels the others and returns
// ExitCode::data.
ExitCode execute(const PredictCommand& command);

// Draws where a model looks for labels of a picture. Errors: DataError for a picture that cannot be
// read or a folder that cannot be made; UsageError for a model without attention.
ExitCode execute(const AttentionCommand& command);

// Ranks pictures by what they show. Bad pictures: as predict.
ExitCode execute(const SearchCommand& command);

// Writes a checkpoint's weights under another program's names, or another program's weights as a
// checkpoint; prints the new file's path. Errors: DataError for a file that cannot be read,
// UsageError for a naming that the model does not have.
ExitCode execute(const ExportCommand& command);

// "224 px, crop 0.95, bicubic, normalize imagenet", and what else is not as usual.
std::string pictures_text(const Preprocess& spec);

// Describes a checkpoint, or the model with a given name.
ExitCode execute(const InfoCommand& command);

}  // namespace mld
