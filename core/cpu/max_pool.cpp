// Max pooling, channels innermost. As in PyTorch, the first maximum wins and NaN is larger than
// any number.
#include <limits>

#include "core/cpu/support/pool_windows.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// One output position, channels [0, C) with C <= kPoolChannels. Positions are kept as int32 so that
// they fill the same SIMD lanes as the values.
//   x: the picture from this channel on, pixels `pixel` elements apart;   argmax, y [C]
template <class T>
void pool_window(const T* x, int64_t W, int64_t pixel, int64_t C, Range rows, Range columns,
                 int64_t top, int64_t left, int kernel, uint8_t* argmax, T* y) {
  float best[kPoolChannels];
  int32_t where[kPoolChannels] = {};
  std::fill_n(best, C, -std::numeric_limits<float>::infinity());
  for (int64_t h = rows.begin; h < rows.end; ++h) {
    for (int64_t w = columns.begin; w < columns.end; ++w) {
      const T* in = x + (h * W + w) * pixel;
      const int32_t position = static_cast<int32_t>((h - top) * kernel + w - left);
      const bool first = h == rows.begin && w == columns.begin;
#pragma omp simd
      for (int64_t c = 0; c < C; ++c) {
        const float value = static_cast<float>(in[c]);
        const bool better = (value > best[c]) | (value != value) | first;
        best[c] = better ? value : best[c];
        where[c] = better ? position : where[c];
      }
    }
  }
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    store(best[c], y[c]);
    argmax[c] = static_cast<uint8_t>(where[c]);
  }
}

// Adds dy where this input pixel was the maximum.   dy, argmax, sum [C]
template <class T>
void add_if_winner(const T* dy, const uint8_t* argmax, int position, int64_t C, float* sum) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    sum[c] += static_cast<int>(argmax[c]) == position ? static_cast<float>(dy[c]) : 0.0f;
  }
}

}  // namespace

void max_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& argmax, Tensor& y) {
  const int64_t H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  const int64_t N = y.shape()[0], OH = y.shape()[1], OW = y.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    parallel_for(N * OH, 1, [&, spec](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const T* picture = x.data<T>() + row / OH * H * W * C;
        const Range rows = inputs_of(row % OH, H, spec);
        for (int64_t ow = 0; ow < OW; ++ow) {
          const Range columns = inputs_of(ow, W, spec);
          for (int64_t c = 0; c < C; c += kPoolChannels) {
            const int64_t at = (row * OW + ow) * C + c;
            pool_window(picture + c, W, C, std::min(kPoolChannels, C - c), rows, columns,
                        row % OH * spec.stride - spec.pad, ow * spec.stride - spec.pad, spec.kernel,
                        argmax.data<uint8_t>() + at, y.data<T>() + at);
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
    parallel_for(N * H, 1, [&, spec](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        const int64_t h = row % H;
        const Range rows = outputs_of(h, OH, spec);
        for (int64_t w = 0; w < W; ++w) {
          const Range columns = outputs_of(w, OW, spec);
          std::fill(sum.begin(), sum.end(), 0.0f);
          for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
            for (int64_t ow = columns.begin; ow < columns.end; ++ow) {
              const int64_t at = ((row / H * OH + oh) * OW + ow) * C;
              const int64_t kh = h - oh * spec.stride + spec.pad;
              const int64_t kw = w - ow * spec.stride + spec.pad;
              add_if_winner(dy.data<T>() + at, argmax.data<uint8_t>() + at,
                            static_cast<int>(kh * spec.kernel + kw), C, sum.data());
            }
          }
          T* out = dx.data<T>() + (row * W + w) * C;
          for (int64_t c = 0; c < C; ++c) {
            store(sum[static_cast<size_t>(c)], out[c]);
          }
        }
      }
    });
  });
}

}  // namespace mld::cpu
