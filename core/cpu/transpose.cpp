// transpose: the last two dimensions change places.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x [B, M, C], y [B, C, M]. Square tiles, so that both sides touch whole cache lines.
void transpose(const Tensor& x, Tensor& y) {
  constexpr int64_t kTile = 32;
  const int64_t B = x.shape()[0], M = x.shape()[1], C = x.shape()[2];
  const int64_t strips = (M + kTile - 1) / kTile;
  dispatch(x.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(B * strips, row_grain(kTile * C), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* from = px + i / strips * M * C;
        T* to = py + i / strips * M * C;
        const int64_t m0 = i % strips * kTile, m1 = std::min(M, m0 + kTile);
        for (int64_t c0 = 0; c0 < C; c0 += kTile) {
          for (int64_t c = c0; c < std::min(C, c0 + kTile); ++c) {
            for (int64_t m = m0; m < m1; ++m) {
              to[c * M + m] = from[m * C + c];
            }
          }
        }
      }
    });
  });
}

}  // namespace mld::cpu
