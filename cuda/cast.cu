// cast: float32 to bfloat16 (round to nearest even) and back.
#include "core/kernels.h"
#include "cuda/elementwise.cuh"

namespace mld::cuda {
namespace {

struct Identity {
  __device__ float operator()(float x) const { return x; }
};

}  // namespace

void cast(const Tensor& x, Tensor& y) {
  dispatch(x.dtype(), [&]<class From>() {
    dispatch(y.dtype(), [&]<class To>() {
      map(Identity(), x.numel(), y.data<To>(), x.data<From>());
    });
  });
}

}  // namespace mld::cuda
