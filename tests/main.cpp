// The entry point every test program shares.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "tests/on_gpu.h"

int main(int argc, char** argv) {
  if (!mld::test::select_gpu()) {
    return mld::test::kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
