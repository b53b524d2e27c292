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
    const uint64_t counter = block + static_cast<uint64_t>(i) + (uint64_t{key.stream} << 40);
    c0[i] = static_cast<uint32_t>(counter);
    c1[i] = static_cast<uint32_t>(counter >> 32);
    c2[i] = static_cast<uint32_t>(key.step);
    c3[i] = static_cast<uint32_t>(key.step >> 32);
  }
  uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int i = 0; i < kLanes; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0[i], p1 = uint64_t{0xCD9E8D57u} * c2[i];
      c0[i] = static_cast<uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
      c1[i] = static_cast<uint32_t>(p1);
      c2[i] = static_cast<uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
      c3[i] = static_cast<uint32_t>(p0);
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
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
  if (spec.keep.defined()) {
    const uint8_t* keep = spec.keep.data<uint8_t>() + begin;
    for (int64_t j = 0; j < count; ++j) {
      factors[j] = keep[j] != 0 ? kept : 0.0f;
    }
    return;
  }
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
