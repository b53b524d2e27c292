// activation: one function of one element, and its derivative.
#include "core/kernels.h"
#include "cuda/elementwise.cuh"
#include "cuda/math.cuh"

namespace mld::cuda {
namespace {

constexpr float kQuickGelu = 1.702f;  // CLIP's GELU: x * sigmoid(1.702 x)
constexpr float kDensity = 0.398942280f;  // 1 / sqrt(2 pi)

// f(x) and f'(x) of each kind.
struct Identity {
  __device__ float value(float x) const { return x; }
  __device__ float slope(float) const { return 1.0f; }
};
struct Relu {
  __device__ float value(float x) const { return x < 0 ? 0.0f : x; }  // keeps NaN
  __device__ float slope(float x) const { return x > 0 ? 1.0f : 0.0f; }
};
struct LeakyRelu {
  float left;
  __device__ float value(float x) const { return x < 0 ? left * x : x; }
  __device__ float slope(float x) const { return x > 0 ? 1.0f : left; }
};
struct Relu6 {
  __device__ float value(float x) const { return x < 0 ? 0.0f : x > kRelu6Top ? kRelu6Top : x; }
  __device__ float slope(float x) const { return x > 0 && x < kRelu6Top ? 1.0f : 0.0f; }
};
struct Gelu {
  __device__ float value(float x) const { return x * normal_cdf(x); }
  __device__ float slope(float x) const {
    return normal_cdf(x) + x * kDensity * expf(-0.5f * x * x);
  }
};
struct QuickGelu {
  __device__ float value(float x) const { return x * sigmoid(kQuickGelu * x); }
  __device__ float slope(float x) const {
    const float s = sigmoid(kQuickGelu * x);
    return s + kQuickGelu * x * s * sigmoid(-kQuickGelu * x);
  }
};
struct Sigmoid {
  __device__ float value(float x) const { return sigmoid(x); }
  __device__ float slope(float x) const { return sigmoid(x) * sigmoid(-x); }
};
struct Softplus {
  __device__ float value(float x) const { return softplus(x); }
  __device__ float slope(float x) const { return sigmoid(x); }
};
struct Exponential {
  __device__ float value(float x) const { return expf(x); }
  __device__ float slope(float x) const { return expf(x); }
};

template <class F>
struct Value : F {
  __device__ float operator()(float x) const { return F::value(x); }
};
template <class F>
struct Gradient : F {
  __device__ float operator()(float dy, float x) const { return dy * F::slope(x); }
};

// Calls body with the kind's functions.
template <class Body>
void with_kind(const ActivationSpec& spec, Body&& body) {
  switch (spec.kind) {
    case Act::identity: return body(Identity());
    case Act::relu: return body(Relu());
    case Act::leaky_relu: return body(LeakyRelu{spec.slope});
    case Act::relu6: return body(Relu6());
    case Act::gelu: return body(Gelu());
    case Act::quick_gelu: return body(QuickGelu());
    case Act::sigmoid: return body(Sigmoid());
    case Act::softplus: return body(Softplus());
    case Act::exponential: return body(Exponential());
  }
}

}  // namespace

void activation_forward(const Tensor& x, const ActivationSpec& spec, Tensor& y) {
  with_kind(spec, [&]<class F>(F f) {
    dispatch(x.dtype(), [&]<class T>() {
      map(Value<F>{f}, x.numel(), y.data<T>(), x.data<T>());
    });
  });
}

void activation_backward(const Tensor& dy, const Tensor& x, const ActivationSpec& spec,
                         Tensor& dx) {
  with_kind(spec, [&]<class F>(F f) {
    dispatch(x.dtype(), [&]<class T>() {
      map(Gradient<F>{f}, x.numel(), dx.data<T>(), dy.data<T>(), x.data<T>());
    });
  });
}

}  // namespace mld::cuda
