#include "bench/machine.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <unistd.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "core/parallel.h"
#include "core/tensor.h"

namespace mld::bench {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

// Independent chains of vector multiply-adds: enough of them to hide the latency (4 to 5 cycles,
// two units), few enough to stay in registers. Returns a value so that nothing is optimised away.
constexpr int kChains = 12;
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

float multiply_add_chains(int64_t rounds) {
  typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));
  Vector sums[kChains];
  for (int i = 0; i < kChains; ++i) {
    sums[i] = Vector{} + static_cast<float>(i);
  }
  Vector factor = Vector{} + 0.999f, term = Vector{} + 1e-3f;
  for (int64_t r = 0; r < rounds; ++r) {
    for (int i = 0; i < kChains; ++i) {
      sums[i] = sums[i] * factor + term;
    }
  }
  float total = 0;
  for (const Vector& sum : sums) {
    total += sum[0];
  }
  return total;
}

double measure_gflops() {
  constexpr int64_t kRounds = 2'000'000;
  volatile float sink = 0;
  double best = 0;
  for (int trial = 0; trial < 6; ++trial) {
    const double start = seconds();
#pragma omp parallel
    {
      const float value = multiply_add_chains(kRounds);
#pragma omp critical
      sink = sink + value;
    }
    const double flops = 2.0 * kChains * kLanes * kRounds * compute_threads();
    best = std::max(best, flops / (seconds() - start) / 1e9);
  }
  return best;
}

void copy_range(const float* from, float* to, int64_t n) {
#if defined(__AVX2__)
  for (int64_t i = 0; i + 8 <= n; i += 8) {
    _mm256_stream_ps(to + i, _mm256_load_ps(from + i));
  }
  _mm_sfence();
#else
  std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
#endif
}

double measure_copy() {
  // From memory to memory: at least 128 MiB each way, and more than the last-level cache, which on
  // some servers holds hundreds of MiB.
  const int64_t cache = std::max<int64_t>(0, sysconf(_SC_LEVEL3_CACHE_SIZE));
  const int64_t floats = std::max(int64_t{32} << 20, cache / 4 / 1024 * 1024);
  const Tensor from = Tensor::full({floats}, 1.0f);
  const Tensor to = Tensor::zeros({floats});
  double best = 0;
  for (int trial = 0; trial < 8; ++trial) {
    const double start = seconds();
    parallel_for(floats / 1024, 1, [&](int64_t begin, int64_t end) {
      copy_range(from.data<float>() + begin * 1024, to.data<float>() + begin * 1024,
                 (end - begin) * 1024);
    });
    const double bytes = 2.0 * static_cast<double>(floats) * sizeof(float);
    best = std::max(best, bytes / (seconds() - start) / 1e9);
  }
  return best;
}

}  // namespace

const MachinePeaks& machine_peaks() {
  static const MachinePeaks peaks = {measure_gflops(), measure_copy()};
  return peaks;
}

}  // namespace mld::bench
