// activation: one function of one element, and its derivative.
#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

constexpr float kQuickGelu = 1.702f;  // CLIP's GELU: x * sigmoid(1.702 x)

// y[i] = f(x[i])
template <class T, class F>
void map(const Tensor& x, Tensor& y, F f) {
  const T* px = x.data<T>();
  T* py = y.data<T>();
  parallel_for(x.numel(), kGrain / 4, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      store(f(static_cast<float>(px[i])), py[i]);
    }
  });
}

// dx[i] = dy[i] * df(x[i])
template <class T, class F>
void map_gradient(const Tensor& dy, const Tensor& x, Tensor& dx, F df) {
  const T *px = x.data<T>(), *pdy = dy.data<T>();
  T* pdx = dx.data<T>();
  parallel_for(x.numel(), kGrain / 4, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      store(static_cast<float>(pdy[i]) * df(static_cast<float>(px[i])), pdx[i]);
    }
  });
}

template <class T>
void forward(const Tensor& x, const ActivationSpec& spec, Tensor& y) {
  switch (spec.kind) {
    case Act::identity: return map<T>(x, y, [](float v) { return v; });
    case Act::relu: return map<T>(x, y, [](float v) { return v < 0 ? 0.0f : v; });  // keeps NaN
    case Act::leaky_relu:
      return map<T>(x, y, [slope = spec.slope](float v) { return v < 0 ? slope * v : v; });
    case Act::relu6:
      return map<T>(x, y, [](float v) { return v < 0 ? 0.0f : v > kRelu6Top ? kRelu6Top : v; });
    case Act::gelu: return map<T>(x, y, [](float v) { return v * normal_cdf(v); });
    case Act::quick_gelu:
      return map<T>(x, y, [](float v) { return v * fast_sigmoid(kQuickGelu * v); });
    case Act::sigmoid: return map<T>(x, y, [](float v) { return fast_sigmoid(v); });
    case Act::softplus: return map<T>(x, y, [](float v) { return fast_softplus(v); });
    case Act::exponential: return map<T>(x, y, [](float v) { return fast_exp(v); });
  }
}

template <class T>
void backward(const Tensor& dy, const Tensor& x, const ActivationSpec& spec, Tensor& dx) {
  switch (spec.kind) {
    case Act::identity: return map_gradient<T>(dy, x, dx, [](float) { return 1.0f; });
    case Act::relu: return map_gradient<T>(dy, x, dx, [](float v) { return v > 0 ? 1.0f : 0.0f; });
    case Act::leaky_relu:
      return map_gradient<T>(dy, x, dx,
                             [slope = spec.slope](float v) { return v > 0 ? 1.0f : slope; });
    case Act::relu6:
      return map_gradient<T>(dy, x, dx,
                             [](float v) { return v > 0 && v < kRelu6Top ? 1.0f : 0.0f; });
    case Act::gelu:
      return map_gradient<T>(dy, x, dx, [](float v) {
        constexpr float kDensity = 0.398942280f;  // 1 / sqrt(2 pi)
        return normal_cdf(v) + v * kDensity * fast_exp(-0.5f * v * v);
      });
    case Act::quick_gelu:
      return map_gradient<T>(dy, x, dx, [](float v) {
        const float s = fast_sigmoid(kQuickGelu * v);
        return s + kQuickGelu * v * s * fast_sigmoid(-kQuickGelu * v);
      });
    case Act::sigmoid:
      return map_gradient<T>(dy, x, dx,
                             [](float v) { return fast_sigmoid(v) * fast_sigmoid(-v); });
    case Act::softplus: return map_gradient<T>(dy, x, dx, [](float v) { return fast_sigmoid(v); });
    case Act::exponential: return map_gradient<T>(dy, x, dx, [](float v) { return fast_exp(v); });
  }
}

}  // namespace

void activation_forward(const Tensor& x, const ActivationSpec& spec, Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() { forward<T>(x, spec, y); });
}

void activation_backward(const Tensor& dy, const Tensor& x, const ActivationSpec& spec,
                         Tensor& dx) {
  dispatch(x.dtype(), [&]<class T>() { backward<T>(dy, x, spec, dx); });
}

}  // namespace mld::cpu
