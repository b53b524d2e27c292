#include "core/cpu/support/keep_mask.h"

#include <algorithm>

namespace mld::cpu {
namespace {

constexpr int kLanes = 16, kDraws = 4 * kLanes;

// draws[i] = random_uniform(key, 4 * block + i): philox() on sixteen counters at once, lane by
// lane, which the compiler turns into SIMD code.
void uniform_draws(const RandomKey& key, uint64_t block, float* draws) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    const Philox4 c = philox_counter(
        block + static_cast<uint64_t>(i) + (uint64_t{key.stream} << 40), key.step);
    c0[i] = c.v[0], c1[i] = c.v[1], c2[i] = c.v[2], c3[i] = c.v[3];
  }
  PhiloxKey round_key(key.seed);
  for (int round = 0; round < kPhiloxRounds; ++round) {
#pragma omp simd
    for (int i = 0; i < kLanes; ++i) {
      philox_round(round_key, c0[i], c1[i], c2[i], c3[i]);
    }
    round_key.next();
  }
  for (int i = 0; i < kLanes; ++i) {
    draws[4 * i] = uniform_from_bits(c0[i]);
    draws[4 * i + 1] = uniform_from_bits(c1[i]);
    draws[4 * i + 2] = uniform_from_bits(c2[i]);
    draws[4 * i + 3] = uniform_from_bits(c3[i]);
  }
}

}  // namespace

void keep_factors(const DropoutSpec& spec, int64_t begin, int64_t count, float* factors) {
  const float p = spec.p, kept = 1.0f / (1.0f - p);
  RandomKey key = spec.key;
  if (spec.step.defined()) {
    key.step = static_cast<uint64_t>(spec.step.data<int64_t>()[0]);
  }
  int64_t done = 0;
  while (done < count) {
    float draws[kDraws];
    const int64_t first = (begin + done) % 4;  // the stretch may start inside a Philox block
    uniform_draws(key, static_cast<uint64_t>((begin + done) / 4), draws);
    const int64_t n = std::min<int64_t>(count - done, kDraws - first);
    for (int64_t j = 0; j < n; ++j) {
      factors[done + j] = draws[first + j] >= p ? kept : 0.0f;
    }
    done += n;
  }
}

}  // namespace mld::cpu
