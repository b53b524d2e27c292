// Where this build's sources and programs are.
#pragma once

#include <string>

namespace mld::test {

const std::string& source_dir();
const std::string& binary_dir();

}  // namespace mld::test
