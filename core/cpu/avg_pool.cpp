// Average pooling; windows are clipped at the border and divided by what is left of them.
#include "core/cpu/support/pool_windows.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// sum += factor * x   x, sum [C]
template <class T>
void add_scaled(const T* x, float factor, int64_t C, float* sum) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    sum[c] += factor * static_cast<float>(x[c]);
  }
}

template <class T>
void store_row(const float* sum, float factor, int64_t C, T* y) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    store(sum[c] * factor, y[c]);
  }
}

}  // namespace

void avg_pool_forward(const Tensor& x, const PoolSpec& spec, Tensor& y) {
  const int64_t H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  const int64_t N = y.shape()[0], OH = y.shape()[1], OW = y.shape()[2];
  dispatch(x.dtype(), [&]<class T>() {
    parallel_for(N * OH, 1, [&, spec](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        const Range rows = inputs_of(row % OH, H, spec);
        for (int64_t ow = 0; ow < OW; ++ow) {
          const Range columns = inputs_of(ow, W, spec);
          std::fill(sum.begin(), sum.end(), 0.0f);
          for (int64_t h = rows.begin; h < rows.end; ++h) {
            for (int64_t w = columns.begin; w < columns.end; ++w) {
              add_scaled(x.data<T>() + ((row / OH * H + h) * W + w) * C, 1.0f, C, sum.data());
            }
          }
          store_row(sum.data(), 1.0f / static_cast<float>(rows.size() * columns.size()), C,
                    y.data<T>() + (row * OW + ow) * C);
        }
      }
    });
  });
}

void avg_pool_backward(const Tensor& dy, const PoolSpec& spec, Tensor& dx) {
  const int64_t N = dx.shape()[0], H = dx.shape()[1], W = dx.shape()[2], C = dx.shape()[3];
  const int64_t OH = dy.shape()[1], OW = dy.shape()[2];
  dispatch(dy.dtype(), [&]<class T>() {
    parallel_for(N * H, 1, [&, spec](int64_t begin, int64_t end) {
      std::vector<float> sum(static_cast<size_t>(C));
      for (int64_t row = begin; row < end; ++row) {
        const Range rows = outputs_of(row % H, OH, spec);
        for (int64_t w = 0; w < W; ++w) {
          const Range columns = outputs_of(w, OW, spec);
          std::fill(sum.begin(), sum.end(), 0.0f);
          for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
            for (int64_t ow = columns.begin; ow < columns.end; ++ow) {
              const int64_t seen = inputs_of(oh, H, spec).size() * inputs_of(ow, W, spec).size();
              add_scaled(dy.data<T>() + ((row / H * OH + oh) * OW + ow) * C,
                         1.0f / static_cast<float>(seen), C, sum.data());
            }
          }
          store_row(sum.data(), 1.0f, C, dx.data<T>() + (row * W + w) * C);
        }
      }
    });
  });
}

}  // namespace mld::cpu
