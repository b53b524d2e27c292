// cast: float32 <-> bfloat16, rounding to nearest even.
#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

void cast(const Tensor& x, Tensor& y) {
  dispatch(x.dtype(), [&]<class From>() {
    dispatch(y.dtype(), [&]<class To>() {
      const From* from = x.data<From>();
      To* to = y.data<To>();
      parallel_for(x.numel(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          to[i] = static_cast<To>(static_cast<float>(from[i]));
        }
      });
    });
  });
}

}  // namespace mld::cpu
