// transpose: the last two dimensions change places.
#include "core/kernels.h"
#include "cuda/values.cuh"

namespace mld::cuda {
namespace {

constexpr int kTile = 32, kRows = 8;

// One block per 32 x 32 tile of one batch, through shared memory, so that both sides are read and
// written along rows; the extra column avoids bank conflicts.   x [B, M, C], y [B, C, M]
template <class T>
__global__ void __launch_bounds__(kTile* kRows)
    transpose_kernel(const T* x, int64_t M, int64_t C, T* y) {
  SHARED(T[kTile][kTile + 1], tile);
  const int64_t batch = blockIdx.z * M * C, c0 = blockIdx.x * int64_t{kTile};
  const int64_t m0 = blockIdx.y * int64_t{kTile};
  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int64_t m = m0 + row, c = c0 + threadIdx.x;
    if (m < M && c < C) {
      tile[row][threadIdx.x] = x[batch + m * C + c];
    }
  }
  __syncthreads();
  for (int row = threadIdx.y; row < kTile; row += kRows) {
    const int64_t c = c0 + row, m = m0 + threadIdx.x;
    if (m < M && c < C) {
      y[batch + c * M + m] = tile[threadIdx.x][row];
    }
  }
}

}  // namespace

void transpose(const Tensor& x, Tensor& y) {
  const int64_t B = x.shape()[0], M = x.shape()[1], C = x.shape()[2];
  constexpr int64_t kMostBatches = 65535, kMostRows = 65535 * int64_t{kTile};
  dispatch(x.dtype(), [&]<class T>() {
    for (int64_t b = 0; b < B; b += kMostBatches) {
      const int64_t batches = std::min(kMostBatches, B - b);
      require(M <= kMostRows, "transpose: {} rows, at most {}", M, kMostRows);
      const dim3 grid(static_cast<unsigned>(ceil_div(C, kTile)),
                      static_cast<unsigned>(ceil_div(M, kTile)), static_cast<unsigned>(batches));
      launch(transpose_kernel<T>, grid, dim3(kTile, kRows), 0, x.data<T>() + b * M * C, M, C,
             y.data<T>() + b * M * C);
    }
  });
}

}  // namespace mld::cuda
