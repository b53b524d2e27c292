// MLD_TEST_DEVICE=gpu: run on the GPU alone, and skip where there is no driver for one (tests
// labelled "gpu"). With a driver, anything that keeps the GPU from being used is a failure.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mld::test {

inline constexpr int kSkipped = 77;  // ctest takes this exit code for a skip

// Turns "gpu" in the environment into "cuda:0". False: skip the test.
inline bool select_gpu() {
  const char* device = std::getenv("MLD_TEST_DEVICE");
  if (device == nullptr || std::strcmp(device, "gpu") != 0) {
    return true;
  }
  if (std::getenv("MLD_CUDA_PLUGIN") == nullptr &&
      dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    std::puts("SKIPPED: there is no NVIDIA driver here (libcuda.so.1 is not found)");
    return false;
  }
  setenv("MLD_TEST_DEVICE", "cuda:0", 1);
  return true;
}

}  // namespace mld::test
