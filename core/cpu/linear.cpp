// Linear layers: one matrix product, then bias and activation in one pass.
#include "core/cpu/support/epilogue.h"
#include "core/cpu/support/gemm.h"
#include "core/kernels.h"

namespace mld::cpu {

void linear_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const LinearSpec& spec,
                    Tensor& y) {
  const int64_t M = x.shape()[0], C = x.shape()[1], O = w.shape()[0];
  const Tensor wx = widened(x), ww = widened(w);
  Tensor wy = wide_like(y);
  gemm(false, true, M, O, C, wx.data<float>(), C, ww.data<float>(), C, 0.0f, wy.data<float>(), O);
  if (bias.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, {}, spec.act, wy);
  }
  narrow(wy, y);
}

void linear_backward_data(const Tensor& dy, const Tensor& w, Tensor& dx) {
  const int64_t M = dy.shape()[0], O = w.shape()[0], C = w.shape()[1];
  const Tensor wdy = widened(dy), ww = widened(w);
  Tensor wdx = wide_like(dx);
  gemm(false, false, M, C, O, wdy.data<float>(), O, ww.data<float>(), C, 0.0f,
       wdx.data<float>(), C);
  narrow(wdx, dx);
}

void linear_backward_weight(const Tensor& dy, const Tensor& x, Tensor& dw) {
  const int64_t M = dy.shape()[0], O = dy.shape()[1], C = x.shape()[1];
  const Tensor wdy = widened(dy), wx = widened(x);
  Tensor wdw = wide_like(dw);
  gemm(true, false, O, C, M, wdy.data<float>(), O, wx.data<float>(), C, 0.0f,
       wdw.data<float>(), C);
  narrow(wdw, dw);
}

}  // namespace mld::cpu
