// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A pure function of key and counter, the same on every device; no state.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "core/host_device.h"

namespace mld {

struct Philox4 {
  uint32_t v[4];

  // v[i], i < 4, by selection: a GPU's registers cannot be indexed.
  MLD_HOST_DEVICE uint32_t operator[](unsigned i) const {
    const uint32_t low = (i & 1) != 0 ? v[1] : v[0], high = (i & 1) != 0 ? v[3] : v[2];
    return (i & 2) != 0 ? high : low;
  }
};

// The counter, the key of a round, one of the ten rounds.
MLD_HOST_DEVICE inline Philox4 philox_counter(uint64_t low, uint64_t high) {
  return {{static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32),
           static_cast<uint32_t>(high), static_cast<uint32_t>(high >> 32)}};
}
constexpr int kPhiloxRounds = 10;
struct PhiloxKey {
  uint32_t k0, k1;
  MLD_HOST_DEVICE explicit PhiloxKey(uint64_t key)
      : k0(static_cast<uint32_t>(key)), k1(static_cast<uint32_t>(key >> 32)) {}
  MLD_HOST_DEVICE void next() {
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
};
// Takes the counter's four words, which may be lanes of vectors: the CPU does sixteen at once.
MLD_HOST_DEVICE inline void philox_round(const PhiloxKey& key, uint32_t& c0, uint32_t& c1,
                                         uint32_t& c2, uint32_t& c3) {
  const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
  c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ key.k0;
  c1 = static_cast<uint32_t>(p1);
  c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ key.k1;
  c3 = static_cast<uint32_t>(p0);
}

MLD_HOST_DEVICE inline Philox4 philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  PhiloxKey round_key(key);
  Philox4 c = philox_counter(counter_low, counter_high);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    philox_round(round_key, c.v[0], c.v[1], c.v[2], c.v[3]);
    round_key.next();
  }
  return c;
}

// 24 random bits to [0, 1).
MLD_HOST_DEVICE inline float uniform_from_bits(uint32_t bits) {
  return static_cast<float>(bits >> 8) * 0x1p-24f;
}

// What a stream of random numbers depends on. Two streams that differ in any part are independent,
// as long as each draws fewer than 2^40 blocks of four.
struct RandomKey {
  uint64_t seed = 0;
  uint64_t step = 0;    // optimisation step, or epoch * size + sample for the data
  uint32_t stream = 0;  // which op or augmentation draws; below 2^24
};

// Element i of the stream in [0, 1): the device-side form, four elements per Philox call.
MLD_HOST_DEVICE inline float random_uniform(const RandomKey& key, uint64_t i) {
  const Philox4 block = philox(key.seed, i / 4 + (uint64_t{key.stream} << 40), key.step);
  return uniform_from_bits(block[static_cast<unsigned>(i % 4)]);
}

// Element i of the stream, standard normal, on devices too: Box and Muller, elements 2j and 2j + 1
// from the same two draws.
template <class T>
MLD_HOST_DEVICE inline T random_normal(const RandomKey& key, uint64_t i) {
  const Philox4 block = philox(key.seed, i / 4 + (uint64_t{key.stream} << 40), key.step);
  const unsigned pair = static_cast<unsigned>(i % 4) & 2u;
  const T u = T{1} - static_cast<T>(uniform_from_bits(block[pair]));  // never 0
  const T turn = static_cast<T>(uniform_from_bits(block[pair + 1]));
  const T radius = std::sqrt(T{-2} * std::log(u));
#ifdef __CUDA_ARCH__  // CUDA's cos has a way for large angles that takes local memory
  return radius * (i % 2 == 0 ? cospi(T{2} * turn) : sinpi(T{2} * turn));
#else
  const T angle = T{2} * std::numbers::pi_v<T> * turn;
  return radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
#endif
}

// Draws one number after another from a stream: the host-side form for data and initialisation.
class RandomStream {
 public:
  explicit RandomStream(const RandomKey& key) : key_(key) {}

  uint32_t bits() {
    if (used_ == 4) {
      block_ = philox(key_.seed, next_++ + (uint64_t{key_.stream} << 40), key_.step);
      used_ = 0;
    }
    return block_.v[used_++];
  }
  double uniform() {  // [0, 1), 53 bits
    const uint64_t high = bits() >> 5, low = bits() >> 6;
    return static_cast<double>((high << 26) | low) * 0x1p-53;
  }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // An integer in [0, n), n < 2^31.
  int below(int n) { return static_cast<int>((uint64_t{bits()} * static_cast<uint64_t>(n)) >> 32); }
  bool coin(double probability = 0.5) { return uniform() < probability; }
  // Standard normal (Box and Muller).
  double normal() {
    const double u = 1.0 - uniform(), v = uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  }

 private:
  RandomKey key_;
  uint64_t next_ = 0;
  Philox4 block_{};
  int used_ = 4;
};

}  // namespace mld
