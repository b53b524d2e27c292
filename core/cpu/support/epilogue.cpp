#include "core/cpu/support/epilogue.h"

#include "core/cpu/support/values.h"

namespace mld::cpu {
namespace {

// y = act(y [+ bias] [+ residual]) for one row of O channels; act(z) as a callable.
template <class Activation>
void epilogue_row(const float* bias, const float* residual, int64_t O, Activation act, float* y) {
  if (bias == nullptr && residual == nullptr) {
#pragma omp simd
    for (int64_t o = 0; o < O; ++o) {
      y[o] = act(y[o]);
    }
  } else if (bias == nullptr) {
#pragma omp simd
    for (int64_t o = 0; o < O; ++o) {
      y[o] = act(y[o] + residual[o]);
    }
  } else if (residual == nullptr) {
#pragma omp simd
    for (int64_t o = 0; o < O; ++o) {
      y[o] = act(y[o] + bias[o]);
    }
  } else {
#pragma omp simd
    for (int64_t o = 0; o < O; ++o) {
      y[o] = act(y[o] + bias[o] + residual[o]);
    }
  }
}

}  // namespace

void epilogue_rows(const Tensor& bias, const Tensor& residual, const ActivationSpec& act,
                   int64_t begin, int64_t end, Tensor& y) {
  const int64_t O = y.shape()[-1];
  const float* b = bias.defined() ? bias.data<float>() : nullptr;
  const float* r = residual.defined() ? residual.data<float>() : nullptr;
  const auto run = [&](auto f) {
    for (int64_t m = begin; m < end; ++m) {
      epilogue_row(b, r != nullptr ? r + m * O : nullptr, O, f, y.data<float>() + m * O);
    }
  };
  switch (act.kind) {
    case Act::relu:
      return run([](float z) { return z < 0 ? 0.0f : z; });
    case Act::leaky_relu:
      return run([slope = act.slope](float z) { return z < 0 ? z * slope : z; });
    case Act::relu6:
      return run([](float z) { return z < 0 ? 0.0f : z > kRelu6Top ? kRelu6Top : z; });
    default:
      return run([](float z) { return z; });
  }
}

void epilogue(const Tensor& bias, const Tensor& residual, const ActivationSpec& act, Tensor& y) {
  const int64_t O = y.shape()[-1];
  parallel_for(y.numel() / O, row_grain(O), [&](int64_t begin, int64_t end) {
    epilogue_rows(bias, residual, act, begin, end, y);
  });
}

}  // namespace mld::cpu
