// join_tokens: the tokens of two tensors behind each other, picture by picture.
#include <cstring>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// a [N, A, C], b [N, B, C], y [N, A + B, C]
void join_tokens(const Tensor& a, const Tensor& b, Tensor& y) {
  const char* first = static_cast<const char*>(a.raw());
  const char* second = static_cast<const char*>(b.raw());
  char* to = static_cast<char*>(y.raw());
  const size_t N = static_cast<size_t>(y.shape()[0]), A = a.bytes() / N, B = b.bytes() / N;
  parallel_for(y.shape()[0], row_grain(y.shape().row()), [=](int64_t begin, int64_t end) {
    for (size_t n = static_cast<size_t>(begin); n < static_cast<size_t>(end); ++n) {
      std::memcpy(to + n * (A + B), first + n * A, A);
      std::memcpy(to + n * (A + B) + A, second + n * B, B);
    }
  });
}

}  // namespace mld::cpu
