// Kernels with one mistake each, and one without: what the emulator must catch.   planted NAME
//
// It prints "caught: ..." if the emulator or a wrong result shows the mistake, "nothing found"
// otherwise; a sanitizer prints its own report and ends the program. CMakeLists.txt lists what
// finds which mistake.
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <vector>

#include "cuda/kernel.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 64;

// y[t] = x[kThreads - 1 - t] through shared memory, twice, as it should be.
__global__ void right_kernel(const float* x, float* y) {
  SHARED(float[kThreads], tile);
  const int t = threadIdx.x;
  for (int round = 0; round < 2; ++round) {
    tile[t] = x[t];
    __syncthreads();
    y[t] = tile[kThreads - 1 - t];
    __syncthreads();
  }
}

__global__ void missing_barrier_kernel(const float* x, float* y) {
  SHARED(float[kThreads], tile);
  const int t = threadIdx.x;
  tile[t] = x[t];
  y[t] = tile[kThreads - 1 - t];
}

// The second round overwrites what slower threads still have to read.
__global__ void overwritten_early_kernel(const float* x, float* y) {
  SHARED(float[kThreads], tile);
  const int t = threadIdx.x;
  tile[t] = x[t];
  __syncthreads();
  y[t] = tile[kThreads - 1 - t];
  tile[t] = 0;
}

__global__ void missing_syncwarp_kernel(const float* x, float* y) {
  SHARED(float[kThreads], tile);
  const int t = threadIdx.x, warp = t / 32 * 32;
  tile[t] = x[warp + 31 - t % 32];
  y[warp + t % 32] = tile[warp + 31 - t % 32];
}

// The last element is read before anyone has written it.
__global__ void unwritten_shared_kernel(const float* x, float* y) {
  SHARED(float[kThreads + 1], tile);
  const int t = threadIdx.x;
  tile[t] = x[t];
  __syncthreads();
  y[kThreads - 1 - t] = tile[t + 1] + tile[t] - tile[t + 1];
}

__global__ void divergent_barrier_kernel(const float* x, float* y) {
  if (threadIdx.x < 48) {
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
  } else {
    __syncthreads();
  }
}

__global__ void exited_lane_kernel(const float* x, float* y) {
  const int t = threadIdx.x;
  if (t % 32 > 20) {
    return;
  }
  y[t] = __shfl_xor_sync(~0u, x[t], 1);
}

__global__ void unnamed_lane_kernel(const float* x, float* y) {
  const int t = threadIdx.x;
  if (t % 32 < 16) {
    y[t] = __shfl_down_sync(0xFFFFu, x[t], 4);
  }
}

__global__ void mixed_collectives_kernel(const float* x, float* y) {
  const int t = threadIdx.x;
  y[t] = t % 2 == 0 ? __shfl_xor_sync(~0u, x[t], 1)
                    : static_cast<float>(__ballot_sync(~0u, x[t] > 0));
}

// Half of a warp waits for the other half, which waits at the block's barrier.
__global__ void deadlock_kernel(const float* x, float* y) {
  const int t = threadIdx.x;
  if (t % 32 < 16) {
    __syncwarp();
  }
  __syncthreads();
  y[t] = x[t];
}

__global__ void global_overrun_kernel(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x + 1];
}

__global__ void static_overrun_kernel(const float* x, float* y) {
  SHARED(float[kThreads], tile);
  tile[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

__global__ void dynamic_overrun_kernel(const float* x, float* y) {
  DYN_SHARED(float, tile);  // launched with half of what is used
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

__global__ void misaligned_kernel(const float* x, float* y) {
  float v[4];
  load<4>(x + 1, v);
  y[threadIdx.x] = v[0];
}

__global__ void index_overflow_kernel(const float* x, float* y) {
  const int row = static_cast<int>(threadIdx.x) + 70'000;
  const int at = row * 70'000;  // wants int64_t
  y[threadIdx.x] = x[at & (kThreads - 1)];
}

// The blocks write the same elements.
__global__ void racing_blocks_kernel(const float* x, float* y) {
  y[threadIdx.x] = x[threadIdx.x] * static_cast<float>(blockIdx.x);
}

__global__ void lost_update_kernel(const float* x, float* y) {
  y[0] += x[threadIdx.x];
}

using Kernel = void (*)(const float*, float*);

struct Planted {
  Kernel kernel;
  unsigned blocks = 1, threads = kThreads;
  size_t dynamic_bytes = 0;
  // What y should hold; empty: anything.
  std::function<float(int)> expected = {};
};

float reversed(int t) { return static_cast<float>(kThreads - 1 - t); }

const std::map<std::string, Planted>& planted() {
  static const std::map<std::string, Planted> all = {
      {"nothing", {right_kernel, 1, kThreads, 0, reversed}},
      {"missing_barrier", {missing_barrier_kernel, 1, kThreads, 0, reversed}},
      {"overwritten_early", {overwritten_early_kernel, 1, kThreads, 0, reversed}},
      {"missing_syncwarp", {missing_syncwarp_kernel, 1, kThreads, 0,
                            [](int t) { return static_cast<float>(t); }}},
      {"unwritten_shared", {unwritten_shared_kernel, 1, kThreads, 0, reversed}},
      {"divergent_barrier", {divergent_barrier_kernel}},
      {"exited_lane", {exited_lane_kernel}},
      {"unnamed_lane", {unnamed_lane_kernel}},
      {"mixed_collectives", {mixed_collectives_kernel}},
      {"deadlock", {deadlock_kernel}},
      {"too_many_threads", {right_kernel, 1, 2048}},
      {"too_much_shared", {right_kernel, 1, kThreads, 300 * 1024}},
      {"global_overrun", {global_overrun_kernel}},
      {"static_overrun", {static_overrun_kernel}},
      {"dynamic_overrun", {dynamic_overrun_kernel, 1, kThreads, kThreads / 2 * sizeof(float)}},
      {"misaligned", {misaligned_kernel}},
      {"index_overflow", {index_overflow_kernel}},
      {"racing_blocks", {racing_blocks_kernel, 2}},
      {"lost_update", {lost_update_kernel}},
  };
  return all;
}

int run(const Planted& bug) {
  // Allocated one by one, so that AddressSanitizer knows their ends.
  const std::vector<float> x = [] {
    std::vector<float> values;
    for (int t = 0; t < kThreads; ++t) {
      values.push_back(static_cast<float>(t));
    }
    values.shrink_to_fit();
    return values;
  }();
  std::vector<float> y(kThreads);
  try {
    launch(bug.kernel, bug.blocks, bug.threads, bug.dynamic_bytes, x.data(), y.data());
  } catch (const emu::Fault& fault) {
    std::printf("caught: %s\n", fault.what());
    return 1;
  }
  for (int t = 0; bug.expected && t < kThreads; ++t) {
    if (y[static_cast<size_t>(t)] != bug.expected(t)) {
      std::printf("caught: wrong result: y[%d] = %g instead of %g\n", t,
                  double{y[static_cast<size_t>(t)]}, double{bug.expected(t)});
      return 1;
    }
  }
  std::puts("nothing found");
  return 0;
}

}  // namespace
}  // namespace mld::cuda

int main(int argc, char** argv) {
  const auto found = mld::cuda::planted().find(argc > 1 ? argv[1] : "");
  if (found == mld::cuda::planted().end()) {
    std::puts("usage: planted NAME");
    return 2;
  }
  return mld::cuda::run(found->second);
}
