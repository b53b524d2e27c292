// Learned positions of a grid of tokens, for pictures of any size.
#pragma once

#include "nn/module.h"

namespace mld {

// The table holds one row for a class token, then those of a square grid in reading order; for
// another grid these are resampled along both axes by the antialiased cubic filter of Pillow
// (a = -1/2), as open_clip and timm do when they load weights for another picture size.
struct GridPositions {
  Parameter table;  // [1 + side^2, C]

  GridPositions(int64_t side, int64_t C);

  // The positions of `rows` x `columns` tokens, in x's dtype, for adding to N pictures' tokens.
  //   x [N, ...] on the tape in use -> [N, 1 + rows * columns, C]
  Var operator()(int64_t rows, int64_t columns, const Var& x);

 private:
  // Kept from call to call: it is made on the host, which a captured step cannot replay.
  Tensor resampling_;
  int64_t rows_ = 0, columns_ = 0;  // of the grid that resampling_ makes
};

// The side of the table's grid. Errors: a table of another length than 1 + side^2.
int64_t grid_side(const Shape& table);

}  // namespace mld
