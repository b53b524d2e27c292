// gaussian_noise: y = x + std * normal numbers of the key's stream. The gradient is dy itself.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x, y of one shape
void gaussian_noise(const Tensor& x, const NoiseSpec& spec, Tensor& y) {
  RandomKey key = spec.key;
  if (spec.step.defined()) {
    key.step = static_cast<uint64_t>(spec.step.data<int64_t>()[0]);
  }
  constexpr int64_t kDraw = 32;  // a normal number costs about as much as this many additions
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(x.numel(), row_grain(kDraw), [=, std = spec.std](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto draw = static_cast<float>(random_normal<double>(key, static_cast<uint64_t>(i)));
        store(static_cast<float>(px[i]) + std * draw, py[i]);
      }
    });
  });
}

}  // namespace mld::cpu
