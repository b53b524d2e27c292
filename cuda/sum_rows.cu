// sum_rows: the sum over the rows of a matrix, in a fixed order.
#include "core/kernels.h"
#include "cuda/channels.cuh"

namespace mld::cuda {
namespace {

template <class T>
struct RowTerms {
  static constexpr int kSums = 1;
  const T* x;
  int64_t C;

  template <int V>
  __device__ Nothing begin(int64_t, int64_t) const { return {}; }
  template <int V>
  __device__ void add(Nothing, int64_t m, int64_t c, float (&sums)[kSums][V]) const {
    float v[V];
    load<V>(x + m * C + c, v);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      sums[0][i] += v[i];
    }
  }
};

}  // namespace

void sum_rows(const Tensor& x, Tensor& y) {
  const int64_t M = x.shape()[0], C = x.shape()[1];
  Tensor sums = y.dtype() == DType::f32 ? y : Tensor({C}, DType::f32, y.device());
  dispatch(x.dtype(), [&]<class T>() {
    channel_sums<T>(RowTerms<T>{x.data<T>(), C}, M, C, {x.raw()}, {sums.data<float>()});
  });
  if (y.dtype() != DType::f32) {
    cast(sums, y);
  }
}

}  // namespace mld::cuda
