// copy: the same bytes, any dtype.
#include <cstring>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

void copy(const Tensor& x, Tensor& y) {
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(y.raw());
  parallel_for(static_cast<int64_t>(x.bytes()), 16 * kGrain, [=](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
  });
}

}  // namespace mld::cpu
