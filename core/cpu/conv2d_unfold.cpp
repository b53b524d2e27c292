// Convolution as one matrix product over unfolded windows: every output pixel's window of the input
// becomes a row. Costs a copy of x KH * KW times its size, so it pays where maps are tiny.
#include <algorithm>

#include "core/cpu/conv2d.h"
#include "core/cpu/epilogue.h"
#include "core/cpu/gemm.h"
#include "core/cpu/values.h"

namespace mld::cpu {
namespace {

// Calls visit(position, input) for every position of every window of image n, in order.
//   position: the row of columns seen as [N * OH * OW * KH * KW, C]
//   input: the row of x seen as [N * H * W, C], or -1 in the padding
template <class Visit>
void for_each_position(const ConvProblem& p, int64_t n, Visit&& visit) {
  const int64_t H = p.x[1], W = p.x[2], KH = p.w[1], KW = p.w[2], OH = p.y[1], OW = p.y[2];
  int64_t position = n * OH * OW * KH * KW;
  for (int64_t oh = 0; oh < OH; ++oh) {
    for (int64_t ow = 0; ow < OW; ++ow) {
      for (int64_t kh = 0; kh < KH; ++kh) {
        const int64_t h = oh * p.spec.stride - p.spec.pad + kh * p.spec.dilation;
        for (int64_t kw = 0; kw < KW; ++kw, ++position) {
          const int64_t v = ow * p.spec.stride - p.spec.pad + kw * p.spec.dilation;
          const bool inside = h >= 0 && h < H && v >= 0 && v < W;
          visit(position, inside ? (n * H + h) * W + v : -1);
        }
      }
    }
  }
}

// x [N, H, W, C] -> columns [N * OH * OW, KH * KW * C], zero where a window leaves the picture.
Tensor unfold(const Tensor& x, const ConvProblem& p) {
  const int64_t C = p.x[3], pixels = p.y[0] * p.y[1] * p.y[2];
  Tensor columns({pixels, p.w[1] * p.w[2] * C});
  const float* from = x.data<float>();
  float* to = columns.data<float>();
  parallel_for(p.x[0], row_grain(columns.numel() / p.x[0]), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for_each_position(p, n, [=](int64_t position, int64_t input) {
        float* row = to + position * C;
        if (input < 0) {
          std::fill_n(row, C, 0.0f);
        } else {
          std::copy_n(from + input * C, C, row);
        }
      });
    }
  });
  return columns;
}

// The transpose of unfold: dx sums the gradients of all windows that saw each input.
void fold(const Tensor& columns, const ConvProblem& p, Tensor& dx) {
  const int64_t C = p.x[3], image = p.x[1] * p.x[2] * C;
  const float* from = columns.data<float>();
  float* to = dx.data<float>();
  parallel_for(p.x[0], row_grain(columns.numel() / p.x[0]), [&](int64_t begin, int64_t end) {
    std::fill(to + begin * image, to + end * image, 0.0f);
    for (int64_t n = begin; n < end; ++n) {
      for_each_position(p, n, [=](int64_t position, int64_t input) {
        if (input >= 0) {
          const float* row = from + position * C;
          float* sum = to + input * C;
#pragma omp simd
          for (int64_t c = 0; c < C; ++c) {
            sum[c] += row[c];
          }
        }
      });
    }
  });
}

}  // namespace

void unfolded_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                      const Conv2dSpec& spec, Tensor& y) {
  const Tensor columns = unfold(x, {x.shape(), w.shape(), y.shape(), spec});
  const int64_t M = columns.shape()[0], K = columns.shape()[1], O = w.shape()[0];
  gemm(false, true, M, O, K, columns.data<float>(), K, w.data<float>(), K, 0.0f, y.data<float>(),
       O);
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, residual, spec.act, y);
  }
}

void unfolded_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  const int64_t O = w.shape()[0], K = w.shape().row(), M = dy.numel() / O;
  Tensor columns({M, K});
  gemm(false, false, M, K, O, dy.data<float>(), O, w.data<float>(), K, 0.0f,
       columns.data<float>(), K);
  fold(columns, {dx.shape(), w.shape(), dy.shape(), spec}, dx);
}

void unfolded_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                              Tensor& dw) {
  const Tensor columns = unfold(x, {x.shape(), dw.shape(), dy.shape(), spec});
  const int64_t M = columns.shape()[0], K = columns.shape()[1], O = dw.shape()[0];
  gemm(true, false, O, K, M, dy.data<float>(), O, columns.data<float>(), K, 0.0f,
       dw.data<float>(), K);
}

}  // namespace mld::cpu
