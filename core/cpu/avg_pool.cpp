// Average pooling; windows are cut at the border and divided by what is left of them.
#include <algorithm>

#include "core/cpu/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// The part of output position o's window that lies inside [0, size).
struct Window {
  int64_t begin, end;
  Window(int64_t o, int64_t size, const PoolSpec& spec)
      : begin(std::max<int64_t>(0, o * spec.stride - spec.pad)),
        end(std::min<int64_t>(size, o * spec.stride - spec.pad + spec.kernel)) {}
  int64_t count() const { return end - begin; }
};

}  // namespace

void avg_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& y) {
  const int64_t H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  const int64_t N = y.shape()[0], OH = y.shape()[1], OW = y.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    parallel_for(N * OH, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        const Window rows(row % OH, H, spec);
        for (int64_t ow = 0; ow < OW; ++ow) {
          const Window columns(ow, W, spec);
          std::fill(sum.begin(), sum.end(), 0.0f);
          for (int64_t h = rows.begin; h < rows.end; ++h) {
            for (int64_t w = columns.begin; w < columns.end; ++w) {
              const T* in = x.data<T>() + ((row / OH * H + h) * W + w) * C;
              for (int64_t c = 0; c < C; ++c) {
                sum[static_cast<size_t>(c)] += static_cast<float>(in[c]);
              }
            }
          }
          const float factor = 1.0f / static_cast<float>(rows.count() * columns.count());
          T* out = y.data<T>() + (row * OW + ow) * C;
          for (int64_t c = 0; c < C; ++c) {
            out[c] = static_cast<T>(sum[static_cast<size_t>(c)] * factor);
          }
        }
      }
    });
  });
}

void avg_pool_backward(const Tensor& dy, const PoolSpec& spec, Tensor& dx) {
  const int64_t N = dx.shape()[0], H = dx.shape()[1], W = dx.shape()[2], C = dx.shape()[3];
  const int64_t OH = dy.shape()[1], OW = dy.shape()[2];
  dispatch(dy.dtype(), [&]<class T>() {
    parallel_for(N, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(H * W * C));
      for (int64_t n = begin; n < end; ++n) {
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (int64_t p = 0; p < OH * OW; ++p) {
          const Window rows(p / OW, H, spec), columns(p % OW, W, spec);
          const float factor = 1.0f / static_cast<float>(rows.count() * columns.count());
          const T* in = dy.data<T>() + (n * OH * OW + p) * C;
          for (int64_t h = rows.begin; h < rows.end; ++h) {
            for (int64_t w = columns.begin; w < columns.end; ++w) {
              for (int64_t c = 0; c < C; ++c) {
                sum[static_cast<size_t>((h * W + w) * C + c)] += static_cast<float>(in[c]) * factor;
              }
            }
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
