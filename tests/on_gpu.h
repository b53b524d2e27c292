// MLD_TEST_DEVICE=gpu: on the GPU alone, and skipped where there is none (tests labelled "gpu").
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/kernels.h"

namespace mld::test {

inline constexpr int kSkipped = 77;  // the exit code ctest is told of

// Whether there is nothing to do. Else "gpu" becomes "cuda:0".
inline bool skip_without_gpu() {
  const char* device = std::getenv("MLD_TEST_DEVICE");
  if (device == nullptr || std::strcmp(device, "gpu") != 0) {
    return false;
  }
  try {
    backend({Backend::cuda, 0});
  } catch (const Error& error) {
    std::printf("SKIPPED: %s\n", error.what());
    return true;
  }
  return setenv("MLD_TEST_DEVICE", "cuda:0", 1) != 0;
}

}  // namespace mld::test
