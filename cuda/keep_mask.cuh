// Which elements dropout keeps: the same bits as on the CPU.
#pragma once

#include "core/random.h"
#include "core/specs.h"
#include "cuda/kernel.h"

namespace mld::cuda {

// The factors of DropoutSpec on the device: a drawn mask, or none at all.
struct KeepMask {
  float p = 0, kept = 1;
  RandomKey key{};
  const int64_t* step = nullptr;  // if set, read instead of key.step
  bool active = false;

  KeepMask() = default;
  explicit KeepMask(const DropoutSpec& spec)
      : p(spec.p), kept(1.0f / (1.0f - spec.p)), key(spec.key),
        step(spec.step.defined() ? spec.step.data<int64_t>() : nullptr), active(spec.active()) {}

  __device__ RandomKey drawn() const {
    RandomKey now = key;
    now.step = step != nullptr ? static_cast<uint64_t>(*step) : key.step;
    return now;
  }

  // 1 / (1 - p) where element i is kept, else 0.
  __device__ float factor(uint64_t i) const {
    return !active || random_uniform(drawn(), i) >= p ? kept : 0.0f;
  }
  // The factors of elements 4 block .. 4 block + 3, one Philox call for all.
  __device__ void factors(uint64_t block, float (&f)[4]) const {
    const Philox4 draws = philox(key.seed, block + (uint64_t{key.stream} << 40), drawn().step);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      f[i] = uniform_from_bits(draws.v[i]) >= p ? kept : 0.0f;
    }
  }
};

}  // namespace mld::cuda
