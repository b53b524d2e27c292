// The texts of --help.
#pragma once

#include <string_view>

namespace mld {

extern const std::string_view kMltrainHelp, kMlinferHelp;

}  // namespace mld
