// gaussian_noise: y = x + std * normal numbers of the key's stream. The gradient is dy itself.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

// Grid-stride.   x, y [n]; step: int64 [1] that replaces key.step, or null
template <class T>
__global__ void __launch_bounds__(kThreads)
    noise_kernel(const T* x, float std, RandomKey key, const int64_t* step, int64_t n, T* y) {
  if (step != nullptr) {
    key.step = static_cast<uint64_t>(*step);
  }
  const int64_t stride = gridDim.x * int64_t{kThreads};
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += stride) {
    const float draw = random_normal<float>(key, static_cast<uint64_t>(i));
    store_one(load_one(x + i) + std * draw, y + i);
  }
}

}  // namespace

void gaussian_noise(const Tensor& x, const NoiseSpec& spec, Tensor& y) {
  const int64_t* step = spec.step.defined() ? spec.step.data<int64_t>() : nullptr;
  dispatch(x.dtype(), [&]<class T>() {
    launch(noise_kernel<T>, blocks_for(x.numel(), kThreads), kThreads, 0, x.data<T>(), spec.std,
           spec.key, step, x.numel(), y.data<T>());
  });
}

}  // namespace mld::cuda
