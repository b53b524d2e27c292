// add, scale: y = a + b, y = factor * x.
#include "core/kernels.h"
#include "cuda/elementwise.cuh"

namespace mld::cuda {
namespace {

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Scale {
  float factor;
  __device__ float operator()(float x) const { return factor * x; }
};

}  // namespace

void add(const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch(y.dtype(), [&]<class T>() {
    map(Add(), y.numel(), y.data<T>(), a.data<T>(), b.data<T>());
  });
}

void scale(const Tensor& x, float factor, Tensor& y) {
  dispatch(y.dtype(), [&]<class T>() {
    map(Scale{factor}, y.numel(), y.data<T>(), x.data<T>());
  });
}

}  // namespace mld::cuda
