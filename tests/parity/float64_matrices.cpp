// Float64 kernels of CLIP beyond other networks': products of matrices, transposition, rows by
// number, rows of length one.
#include <algorithm>
#include <cmath>

#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

size_t size_of_dim(const Tensor& x, int i) { return static_cast<size_t>(x.shape()[i]); }

// Matrix b of x [B, M, C], transposed if asked.
Doubles matrix_of(const Doubles& x, const Tensor& like, size_t b, bool transpose) {
  const size_t M = size_of_dim(like, 1), C = size_of_dim(like, 2);
  const auto first = x.begin() + static_cast<std::ptrdiff_t>(b * M * C);
  const Doubles matrix(first, first + static_cast<std::ptrdiff_t>(M * C));
  return transpose ? transposed(matrix, M, C) : matrix;
}

void matmul(const Tensor& a, const Tensor& b, const MatmulSpec& spec, Tensor& y) {
  const Doubles left = read_doubles(a), right = read_doubles(b);
  const size_t M = size_of_dim(y, 1), O = size_of_dim(y, 2);
  const size_t C = size_of_dim(a, spec.transpose_a ? 1 : 2);
  Doubles out;
  for (size_t i = 0; i < size_of_dim(y, 0); ++i) {
    const Doubles product = multiply(matrix_of(left, a, i, spec.transpose_a),
                                     matrix_of(right, b, i, spec.transpose_b), M, O, C);
    out.insert(out.end(), product.begin(), product.end());
  }
  write_doubles(y, out);
}

void transpose(const Tensor& x, Tensor& y) {
  const Doubles in = read_doubles(x);
  Doubles out;
  for (size_t i = 0; i < size_of_dim(x, 0); ++i) {
    const Doubles matrix = matrix_of(in, x, i, true);
    out.insert(out.end(), matrix.begin(), matrix.end());
  }
  write_doubles(y, out);
}

void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  const Doubles rows = read_doubles(table);
  const size_t D = size_of_dim(table, 1);
  Doubles out(static_cast<size_t>(y.numel()));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = rows[static_cast<size_t>(ids.data<int32_t>()[i / D]) * D + i % D];
  }
  write_doubles(y, out);
}

void embedding_backward(const Tensor& dy, const Tensor& ids, Tensor& dtable) {
  const Doubles grad = read_doubles(dy);
  const size_t D = size_of_dim(dtable, 1);
  Doubles out(static_cast<size_t>(dtable.numel()), 0.0);
  for (size_t i = 0; i < grad.size(); ++i) {
    out[static_cast<size_t>(ids.data<int32_t>()[i / D]) * D + i % D] += grad[i];
  }
  write_doubles(dtable, out);
}

void l2_normalize_forward(const Tensor& x, Tensor& norm, Tensor& y) {
  constexpr double kSmallest = 1e-12;
  Doubles out = read_doubles(x), length(static_cast<size_t>(norm.numel()), 0.0);
  const size_t C = out.size() / length.size();
  for (size_t i = 0; i < out.size(); ++i) {
    length[i / C] += out[i] * out[i];
  }
  for (double& value : length) {
    value = std::max(std::sqrt(value), kSmallest);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] /= length[i / C];
  }
  write_doubles(norm, length);
  write_doubles(y, out);
}

void l2_normalize_backward(const Tensor& dy, const Tensor& y, const Tensor& norm, Tensor& dx) {
  const Doubles in = read_doubles(y), length = read_doubles(norm);
  Doubles out = read_doubles(dy), along(length.size(), 0.0);
  const size_t C = out.size() / length.size();
  for (size_t i = 0; i < out.size(); ++i) {
    along[i / C] += out[i] * in[i];
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = (out[i] - in[i] * along[i / C]) / length[i / C];
  }
  write_doubles(dx, out);
}

}  // namespace

void add_float64_matrices(KernelTable& table) {
  table.matmul = matmul;
  table.transpose = transpose;
  table.embedding_forward = embedding_forward;
  table.embedding_backward = embedding_backward;
  table.l2_normalize_forward = l2_normalize_forward;
  table.l2_normalize_backward = l2_normalize_backward;
}

}  // namespace mld::parity
