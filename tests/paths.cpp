#include "tests/paths.h"

namespace mld::test {

// Only this file is compiled with the paths: the others compile to the same in every checkout.
const std::string& source_dir() {
  static const std::string dir = MLD_SOURCE_DIR;
  return dir;
}

const std::string& binary_dir() {
  static const std::string dir = MLD_BINARY_DIR;
  return dir;
}

}  // namespace mld::test
