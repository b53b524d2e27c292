#include "models/position_grid.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops.h"

namespace mld {

namespace {

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  return x < 1   ? ((a + 2) * x - (a + 3)) * x * x + 1
         : x < 2 ? (((x - 5) * x + 8) * x - 4) * a
                 : 0;
}

// How `out` points between the first and the last of `in` follow from them.   -> [out][in]
std::vector<std::vector<double>> resampling(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);  // antialiasing: the filter covers what it replaces
  std::vector<std::vector<double>> weights;
  for (int64_t o = 0; o < out; ++o) {
    std::vector<double> row;
    double sum = 0;
    const double centre = (static_cast<double>(o) + 0.5) * scale;
    for (int64_t i = 0; i < in; ++i) {
      row.push_back(cubic((static_cast<double>(i) + 0.5 - centre) / stretch));
      sum += row.back();
    }
    for (double& weight : row) {
      weight /= sum;
    }
    weights.push_back(std::move(row));
  }
  return weights;
}

// The matrix that makes positions of the new grid from those of the old one; the class token's
// stays.   -> [1, 1 + rows * columns, 1 + side * side]
Tensor resampling_matrix(int64_t side, int64_t rows, int64_t columns) {
  const auto down = resampling(side, rows), across = resampling(side, columns);
  const int64_t from = 1 + side * side;
  Tensor matrix = Tensor::zeros({1, 1 + rows * columns, from});
  float* to = matrix.data<float>();
  to[0] = 1;
  for (int64_t y = 0; y < rows; ++y)
    for (int64_t x = 0; x < columns; ++x)
      for (int64_t j = 0; j < side; ++j)
        for (int64_t i = 0; i < side; ++i) {
          to[(1 + y * columns + x) * from + 1 + j * side + i] = static_cast<float>(
              down[static_cast<size_t>(y)][static_cast<size_t>(j)] *
              across[static_cast<size_t>(x)][static_cast<size_t>(i)]);
        }
  return matrix;
}

}  // namespace

int64_t grid_side(const Shape& table) {
  const int64_t n = table.rank() == 2 ? table[0] - 1 : 0;
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(n))));
  require<DataError>(n > 0 && side * side == n,
                     "positions of shape {} are not those of a class token and a square grid",
                     table);
  return side;
}

GridPositions::GridPositions(int64_t side, int64_t C) : table(Shape{1 + side * side, C}) {}

Var GridPositions::operator()(int64_t rows, int64_t columns, const Var& x) {
  const int64_t N = x.shape()[0], C = table.shape[1], side = grid_side(table.shape);
  Var positions = as_input(table, x);
  if (rows != side || columns != side) {
    if (rows != rows_ || columns != columns_ || resampling_.device() != x.device()) {
      resampling_ = resampling_matrix(side, rows, columns).to(x.device());
      rows_ = rows;
      columns_ = columns;
    }
    positions = matmul(Var(resampling_), reshape(positions, {1, table.shape[0], C}));
  }
  return repeat_batch(cast(reshape(positions, {1 + rows * columns, C}), x.dtype()), N);
}

}  // namespace mld
