// add, scale: y = a + b, y = factor * x.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

void add(const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch(y.dtype(), [&]<class T>() {
    const T *pa = a.data<T>(), *pb = b.data<T>();
    T* py = y.data<T>();
    parallel_for(y.numel(), kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        store(static_cast<float>(pa[i]) + static_cast<float>(pb[i]), py[i]);
      }
    });
  });
}

void scale(const Tensor& x, float factor, Tensor& y) {
  dispatch(y.dtype(), [&]<class T>() {
    const T* px = x.data<T>();
    T* py = y.data<T>();
    parallel_for(y.numel(), kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        store(factor * static_cast<float>(px[i]), py[i]);
      }
    });
  });
}

}  // namespace mld::cpu
