// slice_tokens: some of each picture's tokens.
#include <cstring>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {

// x [N, L, C], y [N, T, C]: tokens [begin, begin + T)
void slice_tokens_forward(const Tensor& x, int64_t begin, Tensor& y) {
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(y.raw());
  const size_t N = static_cast<size_t>(y.shape()[0]), X = x.bytes() / N, Y = y.bytes() / N;
  const size_t skipped = static_cast<size_t>(begin) * X / static_cast<size_t>(x.shape()[1]);
  parallel_for(y.shape()[0], row_grain(y.shape().row()), [=](int64_t first, int64_t last) {
    for (size_t n = static_cast<size_t>(first); n < static_cast<size_t>(last); ++n) {
      std::memcpy(to + n * Y, from + n * X + skipped, Y);
    }
  });
}

// dy [N, T, C], dx [N, L, C]: zero where dy has no token
void slice_tokens_backward(const Tensor& dy, int64_t begin, Tensor& dx) {
  const char* from = static_cast<const char*>(dy.raw());
  char* to = static_cast<char*>(dx.raw());
  const size_t N = static_cast<size_t>(dx.shape()[0]), X = dx.bytes() / N, Y = dy.bytes() / N;
  const size_t skipped = static_cast<size_t>(begin) * X / static_cast<size_t>(dx.shape()[1]);
  parallel_for(dx.shape()[0], row_grain(dx.shape().row()), [=](int64_t first, int64_t last) {
    for (size_t n = static_cast<size_t>(first); n < static_cast<size_t>(last); ++n) {
      char* row = to + n * X;
      std::memset(row, 0, skipped);  // zero in float32 and bfloat16
      std::memcpy(row + skipped, from + n * Y, Y);
      std::memset(row + skipped + Y, 0, X - skipped - Y);
    }
  });
}

}  // namespace mld::cpu
