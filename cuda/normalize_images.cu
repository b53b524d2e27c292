// normalize_images: uint8 pixels to values, y = (x / 255 - mean) / std per colour.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kThreads = 256;

struct ColourTables {
  float mean[3], std[3];
};

// A table of the 256 values of each colour per block, then grid-stride over the values.
//   x uint8, y [pixels, 3]
template <class T>
__global__ void __launch_bounds__(kThreads)
    normalize_kernel(const uint8_t* x, ColourTables norm, int64_t pixels, T* y) {
  SHARED(float[3][256], table);
  for (int c = 0; c < 3; ++c) {
    table[c][threadIdx.x] =
        (static_cast<float>(threadIdx.x) / 255.0f - norm.mean[c]) / norm.std[c];
  }
  __syncthreads();
  const int64_t step = gridDim.x * int64_t{kThreads}, n = 3 * pixels;
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < n; i += step) {
    store_one(table[i % 3][x[i]], y + i);
  }
}

}  // namespace

void normalize_images(const Tensor& x, const ImageNormSpec& spec, Tensor& y) {
  const int64_t pixels = x.numel() / 3;
  ColourTables norm;
  std::copy(spec.mean.begin(), spec.mean.end(), norm.mean);
  std::copy(spec.std.begin(), spec.std.end(), norm.std);
  dispatch(y.dtype(), [&]<class T>() {
    launch(normalize_kernel<T>, blocks_for(x.numel(), kThreads), kThreads, 0, x.data<uint8_t>(),
           norm, pixels, y.data<T>());
  });
}

}  // namespace mld::cuda
