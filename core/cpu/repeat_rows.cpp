// repeat_rows: M copies of a tensor along a new first dimension.
#include <cstring>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x [C] or [R, C], y [M, ...x]
void repeat_rows(const Tensor& x, Tensor& y) {
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(y.raw());
  const size_t bytes = x.bytes();
  parallel_for(y.shape()[0], row_grain(x.numel()), [=](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      std::memcpy(to + static_cast<size_t>(m) * bytes, from, bytes);
    }
  });
}

}  // namespace mld::cpu
