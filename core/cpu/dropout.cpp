// dropout: element i times 1 / (1 - p) if it is kept, else 0. Backward is the same map.
#include "core/cpu/support/keep_mask.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x, y of one shape
void dropout(const Tensor& x, const DropoutSpec& spec, Tensor& y) {
  constexpr int64_t kStretch = 1024;  // a multiple of Philox's four
  const int64_t n = x.numel(), stretches = (n + kStretch - 1) / kStretch;
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(stretches, 4, [=, &spec](int64_t first, int64_t last) {
      float factors[kStretch];
      for (int64_t begin = first * kStretch; begin < std::min(n, last * kStretch);
           begin += kStretch) {
        const int64_t count = std::min(kStretch, n - begin);
        keep_factors(spec, begin, count, factors);
#pragma omp simd
        for (int64_t j = 0; j < count; ++j) {
          const float v = static_cast<float>(px[begin + j]);
          store(factors[j] == 0.0f ? 0.0f : v * factors[j], py[begin + j]);
        }
      }
    });
  });
}

}  // namespace mld::cpu
