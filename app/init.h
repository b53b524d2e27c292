// `mltrain init`: looks at a folder of labelled pictures and writes a config that trains on them.
#pragma once

#include "app/cli.h"
#include "core/error.h"

namespace mld {

// Recognises the data's format, prints what is there and what is odd about it, and writes two files
// into the current folder (or beside command.out): a config, and, if the data have no validation
// split, the list of the pictures that become one (data.val_list). Existing files are left alone: a
// free name is taken. Settings that the command line gives are kept; init_settings.h chooses the
// others.
// Errors: as opening the data, loading the weights and reading the command line's settings.
ExitCode init_config(const InitCommand& command);

}  // namespace mld
