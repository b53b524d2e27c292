// Max pooling, channels innermost.
#include <limits>

#include "core/cpu/values.h"
#include "core/kernels.h"

namespace mld::cpu {

void max_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& argmax, Tensor& y) {
  const int64_t H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  const int64_t N = y.shape()[0], OH = y.shape()[1], OW = y.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    parallel_for(N * OH, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> best(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        const int64_t n = row / OH, oh = row % OH;
        for (int64_t ow = 0; ow < OW; ++ow) {
          uint8_t* where = argmax.data<uint8_t>() + (row * OW + ow) * C;
          std::fill(best.begin(), best.end(), -std::numeric_limits<float>::infinity());
          std::fill(where, where + C, uint8_t{0});
          bool first = true;
          for (int kh = 0; kh < spec.kernel; ++kh) {
            for (int kw = 0; kw < spec.kernel; ++kw) {
              const int64_t h = oh * spec.stride - spec.pad + kh, w = ow * spec.stride - spec.pad + kw;
              if (h < 0 || h >= H || w < 0 || w >= W) {
                continue;
              }
              const T* in = x.data<T>() + ((n * H + h) * W + w) * C;
              const uint8_t position = static_cast<uint8_t>(kh * spec.kernel + kw);
              for (int64_t c = 0; c < C; ++c) {
                const float value = static_cast<float>(in[c]);
                const bool better = first || value > best[static_cast<size_t>(c)];
                best[static_cast<size_t>(c)] = better ? value : best[static_cast<size_t>(c)];
                where[c] = better ? position : where[c];
              }
              first = false;
            }
          }
          T* out = y.data<T>() + (row * OW + ow) * C;
          for (int64_t c = 0; c < C; ++c) {
            out[c] = static_cast<T>(best[static_cast<size_t>(c)]);
          }
        }
      }
    });
  });
}

void max_pool_backward(const Tensor& dy, const Tensor& argmax, const PoolSpec& spec, Tensor& dx) {
  const int64_t N = dx.shape()[0], H = dx.shape()[1], W = dx.shape()[2], C = dx.shape()[3];
  const int64_t OH = dy.shape()[1], OW = dy.shape()[2];
  dispatch(dy.dtype(), [&]<class T>() {
    // One thread per picture: windows overlap, so their gradients meet in dx.
    parallel_for(N, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(H * W * C));
      for (int64_t n = begin; n < end; ++n) {
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (int64_t p = 0; p < OH * OW; ++p) {
          const int64_t at = (n * OH * OW + p) * C;
          const int64_t top = p / OW * spec.stride - spec.pad, left = p % OW * spec.stride - spec.pad;
          for (int64_t c = 0; c < C; ++c) {
            const int position = argmax.data<uint8_t>()[at + c];
            const int64_t h = top + position / spec.kernel, w = left + position % spec.kernel;
            sum[static_cast<size_t>((h * W + w) * C + c)] += static_cast<float>(dy.data<T>()[at + c]);
          }
        }
        T* out = dx.data<T>() + n * H * W * C;
        for (int64_t i = 0; i < H * W * C; ++i) {
          out[i] = static_cast<T>(sum[static_cast<size_t>(i)]);
        }
      }
    });
  });
}

}  // namespace mld::cpu
