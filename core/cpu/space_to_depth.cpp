// Space to depth and back: with channels innermost, a row of a block is one piece of memory on
// both sides.
#include <cstring>

#include "core/cpu/support/values.h"
#include "core/kernels.h"

namespace mld::cpu {
namespace {

// Calls copy(offset in x, offset in y, bytes) for every row of every block.
//   x [N, H, W, C], y [N, H/block, W/block, block^2 C]
template <class Copy>
void for_each_piece(const Tensor& x, int64_t block, Copy copy) {
  const int64_t rows = x.shape()[0] * x.shape()[1] / block, OW = x.shape()[2] / block;
  const int64_t piece = block * x.shape()[3] * static_cast<int64_t>(size_of(x.dtype()));
  parallel_for(rows, row_grain(block * OW * piece / 4), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t ow = 0; ow < OW; ++ow) {
        for (int64_t dy = 0; dy < block; ++dy) {
          copy(((row * block + dy) * OW + ow) * piece, ((row * OW + ow) * block + dy) * piece,
               static_cast<size_t>(piece));
        }
      }
    }
  });
}

}  // namespace

void space_to_depth(const Tensor& x, int block, Tensor& y) {
  const char* from = static_cast<const char*>(x.raw());
  char* to = static_cast<char*>(y.raw());
  for_each_piece(x, block, [=](int64_t at_x, int64_t at_y, size_t bytes) {
    std::memcpy(to + at_y, from + at_x, bytes);
  });
}

void depth_to_space(const Tensor& y, int block, Tensor& x) {
  const char* from = static_cast<const char*>(y.raw());
  char* to = static_cast<char*>(x.raw());
  for_each_piece(x, block, [=](int64_t at_x, int64_t at_y, size_t bytes) {
    std::memcpy(to + at_x, from + at_y, bytes);
  });
}

}  // namespace mld::cpu
