// drop_path: picture n times 1 / (1 - p) if it is kept, else 0. Backward is the same map.
#include "core/cpu/support/keep_mask.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x, y [N, ...]
void drop_path(const Tensor& x, const DropoutSpec& spec, Tensor& y) {
  const int64_t N = x.shape()[0], row = x.shape().row();
  std::vector<float> factors(static_cast<size_t>(N));
  keep_factors(spec, 0, N, factors.data());
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(x.numel(), kGrain, [=, &factors](int64_t begin, int64_t end) {
      for (int64_t n = begin / row; n * row < end; ++n) {
        const float factor = factors[static_cast<size_t>(n)];
        const int64_t first = std::max(begin, n * row), last = std::min(end, (n + 1) * row);
#pragma omp simd
        for (int64_t i = first; i < last; ++i) {
          store(factor == 0.0f ? 0.0f : static_cast<float>(px[i]) * factor, py[i]);
        }
      }
    });
  });
}

}  // namespace mld::cpu
