// Prints the CUDA device as cuDNN describes it: what conv_plans takes on machines without a GPU.
#include <cstdio>
#include <exception>

#include "cuda/cudnn.h"
#include "cuda/runtime.h"

int main() {
  try {
    mld::cuda::use_device(0);
    std::puts(mld::cuda::describe_device().c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "device_facts: %s\n", error.what());
    return 1;
  }
}
