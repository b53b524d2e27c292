// The specification of convolutions, and of windows; see tests/spec.h.
#pragma once

#include "core/specs.h"
#include "tests/array.h"

namespace mld::spec {

// How many windows of `reach` pixels, `stride` apart, fit on an axis padded on both sides. With
// ceil_mode one more if pixels are left over, unless it would start in the padding on the right.
inline int64_t windows(int64_t in, int64_t reach, int64_t stride, int64_t pad, bool ceil = false) {
  int64_t count = 0, start = -pad;
  while (start + reach <= in + pad) {
    ++count;
    start += stride;
  }
  const bool left_over = count > 0 && start - stride + reach < in + pad;
  return count + (ceil && left_over && start < in ? 1 : 0);
}

// TensorFlow's padding "SAME": a window for every stride-th pixel. Pixels are added behind and
// before the axis in turn, behind first, until the windows fit.
inline int64_t same_windows(int64_t in, int64_t stride) {
  int64_t count = 0;
  for (int64_t i = 0; i < in; i += stride) {
    ++count;
  }
  return count;
}
inline int64_t same_before(int64_t in, int64_t reach, int64_t stride) {
  int64_t before = 0, behind = 0;
  while (before + in + behind < (same_windows(in, stride) - 1) * stride + reach) {
    behind == before ? ++behind : ++before;
  }
  return before;
}

// y[n, oh, ow, o] = sum over kh, kw, c of x[n, h, w, c] * weight[o, kh, kw, c], zero outside x.
//   x [N, H, W, C], w [O, KH, KW, C/groups] -> [N, OH, OW, O]
inline Array conv2d(const Array& x, const Array& w, const Conv2dSpec& s) {
  const int64_t N = x.dim(0), H = x.dim(1), W = x.dim(2);
  const int64_t O = w.dim(0), KH = w.dim(1), KW = w.dim(2), per_group = w.dim(3);
  const int64_t reach_h = s.dilation * (KH - 1) + 1, reach_w = s.dilation * (KW - 1) + 1;
  const int64_t top = s.same ? same_before(H, reach_h, s.stride) : s.pad;
  const int64_t left = s.same ? same_before(W, reach_w, s.stride) : s.pad;
  const int64_t OH = s.same ? same_windows(H, s.stride) : windows(H, reach_h, s.stride, s.pad);
  const int64_t OW = s.same ? same_windows(W, s.stride) : windows(W, reach_w, s.stride, s.pad);
  Array y({N, OH, OW, O});
  for (int64_t n = 0; n < N; ++n)
    for (int64_t oh = 0; oh < OH; ++oh)
      for (int64_t ow = 0; ow < OW; ++ow)
        for (int64_t o = 0; o < O; ++o) {
          const int64_t first_channel = o / (O / s.groups) * per_group;
          double sum = 0;
          for (int64_t kh = 0; kh < KH; ++kh)
            for (int64_t kw = 0; kw < KW; ++kw) {
              const int64_t ih = oh * s.stride - top + kh * s.dilation;
              const int64_t iw = ow * s.stride - left + kw * s.dilation;
              if (ih < 0 || ih >= H || iw < 0 || iw >= W) continue;
              for (int64_t c = 0; c < per_group; ++c) {
                sum += x(n, ih, iw, first_channel + c) * w(o, kh, kw, c);
              }
            }
          y(n, oh, ow, o) = sum;
        }
  return y;
}

// x + bias over the last dimension.   x [..., O], bias [O]
inline Array add_bias(const Array& x, const Array& bias) {
  Array y(x.shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    y[i] = x[i] + bias[i % bias.numel()];
  }
  return y;
}

}  // namespace mld::spec
