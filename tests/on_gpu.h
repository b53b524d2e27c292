// MLD_TEST_DEVICE=gpu: on the GPU alone, and skipped where there is no driver for one (tests
// labelled "gpu"). With a driver, whatever keeps the GPU from being used is a failure.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mld::test {

inline constexpr int kSkipped = 77;  // the exit code ctest is told of

// Makes "gpu" in the environment "cuda:0". False: skip.
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
