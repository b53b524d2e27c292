// Learned positions of a grid of tokens, for pictures of any size.
#pragma once

#include "nn/module.h"

namespace mld {

// The positions of `rows` x `columns` tokens, in x's dtype, for adding to the tokens of N pictures.
// The table holds one row for a class token, then those of a square grid in reading order; for
// another grid these are resampled along both axes by the antialiased cubic filter of Pillow
// (a = -1/2), as open_clip and timm do when they load weights for another picture size.
//   table [1 + side^2, C], x on the tape in use -> [N, 1 + rows * columns, C]
Var positions_for(Parameter& table, int64_t rows, int64_t columns, const Var& x);

// The side of the table's grid. Errors: a table of another length than 1 + side^2.
int64_t grid_side(const Shape& table);

}  // namespace mld
