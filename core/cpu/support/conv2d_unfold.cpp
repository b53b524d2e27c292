// Convolution as a matrix product over unfolded windows, group by group: every output pixel's
// window of the input becomes a row. Costs a copy of a group's part of x KH * KW times its size, so
// it pays where feature maps are tiny.
#include <algorithm>

#include "core/cpu/support/conv2d.h"
#include "core/cpu/support/epilogue.h"
#include "core/cpu/support/gemm.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// Calls visit(position, input) for every position of every window of picture n, in order.
//   position: the row of columns seen as [N * OH * OW * KH * KW, C]
//   input: the row of x seen as [N * H * W, C], or -1 in the padding
template <class Visit>
void for_each_position(const ConvProblem& p, int64_t n, Visit&& visit) {
  const int64_t H = p.x[1], W = p.x[2], KH = p.w[1], KW = p.w[2], OH = p.y[1], OW = p.y[2];
  const int64_t top = p.top(), left = p.left();
  int64_t position = n * OH * OW * KH * KW;
  for (int64_t oh = 0; oh < OH; ++oh) {
    for (int64_t ow = 0; ow < OW; ++ow) {
      for (int64_t kh = 0; kh < KH; ++kh) {
        const int64_t h = oh * p.spec.stride - top + kh * p.spec.dilation;
        for (int64_t kw = 0; kw < KW; ++kw, ++position) {
          const int64_t v = ow * p.spec.stride - left + kw * p.spec.dilation;
          const bool inside = h >= 0 && h < H && v >= 0 && v < W;
          visit(position, inside ? (n * H + h) * W + v : -1);
        }
      }
    }
  }
}

// Group g of x [N, H, W, C] -> columns [N * OH * OW, KH * KW * C/groups], zero where a window
// leaves the picture.
void unfold(const Tensor& x, const ConvProblem& p, int64_t g, Tensor& columns) {
  const int64_t C = p.x[3], Cg = p.w[3];
  const float* from = x.data<float>() + g * Cg;
  float* to = columns.data<float>();
  parallel_for(p.x[0], row_grain(columns.numel() / p.x[0]), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for_each_position(p, n, [=](int64_t position, int64_t input) {
        float* row = to + position * Cg;
        if (input < 0) {
          std::fill_n(row, Cg, 0.0f);
        } else {
          std::copy_n(from + input * C, Cg, row);
        }
      });
    }
  });
}

// The transpose of unfold: adds to group g of dx the gradients of all windows that saw each input.
void fold(const Tensor& columns, const ConvProblem& p, int64_t g, Tensor& dx) {
  const int64_t C = p.x[3], Cg = p.w[3];
  const float* from = columns.data<float>();
  float* to = dx.data<float>() + g * Cg;
  parallel_for(p.x[0], row_grain(columns.numel() / p.x[0]), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for_each_position(p, n, [=](int64_t position, int64_t input) {
        if (input >= 0) {
          const float* row = from + position * Cg;
          float* sum = to + input * C;
#pragma omp simd
          for (int64_t c = 0; c < Cg; ++c) {
            sum[c] += row[c];
          }
        }
      });
    }
  });
}

// One group's matrix product: pixels M, window elements K, output channels of the group.
struct Product {
  ConvProblem p;
  int64_t M = p.y[0] * p.y[1] * p.y[2], K = p.w.row(), O = p.y[3], Og = O / p.spec.groups;
  Tensor columns{{M, K}};
};

}  // namespace

void unfolded_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                      const Conv2dSpec& spec, Tensor& y) {
  Product t{{x.shape(), w.shape(), y.shape(), spec}};
  for (int64_t g = 0; g < spec.groups; ++g) {
    unfold(x, t.p, g, t.columns);
    gemm(false, true, t.M, t.Og, t.K, t.columns.data<float>(), t.K,
         w.data<float>() + g * t.Og * t.K, t.K, 0.0f, y.data<float>() + g * t.Og, t.O);
  }
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, residual, spec.act, y);
  }
}

void unfolded_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  Product t{{dx.shape(), w.shape(), dy.shape(), spec}};
  fill(0.0f, dx);
  for (int64_t g = 0; g < spec.groups; ++g) {
    gemm(false, false, t.M, t.K, t.Og, dy.data<float>() + g * t.Og, t.O,
         w.data<float>() + g * t.Og * t.K, t.K, 0.0f, t.columns.data<float>(), t.K);
    fold(t.columns, t.p, g, dx);
  }
}

void unfolded_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                              Tensor& dw) {
  Product t{{x.shape(), dw.shape(), dy.shape(), spec}};
  for (int64_t g = 0; g < spec.groups; ++g) {
    unfold(x, t.p, g, t.columns);
    gemm(true, false, t.Og, t.K, t.M, dy.data<float>() + g * t.Og, t.O, t.columns.data<float>(),
         t.K, 0.0f, dw.data<float>() + g * t.Og * t.K, t.K);
  }
}

}  // namespace mld::cpu
