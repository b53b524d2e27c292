#include "nn/init.h"

#include <cmath>
#include <numbers>

#include "core/kernels.h"
#include "core/parallel.h"

namespace mld {

namespace {

constexpr uint32_t kFillStream = 2;  // see Tape::kFirstStream

RandomKey draw_key(RandomStream& random) {
  const uint64_t high = random.bits(), low = random.bits();
  return {high << 32 | low, 0, kFillStream};
}

// Calls value(words, out) for each block of four elements; words are the block's random bits.
template <class Value>
void fill_blocks(Parameter& p, RandomStream& random, Value value) {
  p.value = Tensor(p.shape);
  const RandomKey key = draw_key(random);
  const int64_t n = p.shape.numel();
  float* y = p.value.data<float>();
  parallel_for((n + 3) / 4, 1 << 12, [=](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      float four[4];
      value(philox(key.seed, static_cast<uint64_t>(block) + (uint64_t{key.stream} << 40), key.step),
            four);
      for (int64_t i = 0; i < std::min<int64_t>(4, n - 4 * block); ++i) {
        y[4 * block + i] = four[i];
      }
    }
  });
}

}  // namespace

void fill_uniform(Parameter& p, RandomStream& random, double bound) {
  fill_blocks(p, random, [bound](const Philox4& words, float* y) {
    for (int i = 0; i < 4; ++i) {
      // The centre of one of 2^32 cells: never an end of the interval, and symmetric.
      const double u = (static_cast<double>(words.v[i]) + 0.5) * 0x1p-32;
      y[i] = static_cast<float>(bound * (2.0 * u - 1.0));
    }
  });
}

void fill_normal(Parameter& p, RandomStream& random, double std) {
  fill_blocks(p, random, [std](const Philox4& words, float* y) {
    for (int i = 0; i < 4; i += 2) {  // Box and Muller, both values of each pair
      const double u = (static_cast<double>(words.v[i]) + 0.5) * 0x1p-32;
      const double angle = 2.0 * std::numbers::pi * 0x1p-32 * static_cast<double>(words.v[i + 1]);
      const double radius = std * std::sqrt(-2.0 * std::log(u));
      y[i] = static_cast<float>(radius * std::cos(angle));
      y[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
  });
}

void fill(StateTensor& t, float value) { t.value = Tensor::full(t.shape, value, t.dtype); }

void fill_linear_default(Parameter& p, RandomStream& random, int64_t fan_in) {
  fill_uniform(p, random, 1.0 / std::sqrt(static_cast<double>(fan_in)));
}

}  // namespace mld
