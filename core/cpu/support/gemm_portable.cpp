// Row-major float32 matrix products of our own, for builds without oneDNN. C is cut into blocks
// shared out among the threads; panels of A and B are packed so that the inner loop reads both in
// order, and a tile of C stays in registers over a panel's depth. Sums run over k in order,
// whatever the threads.
#include <algorithm>
#include <cstring>

#include "core/cpu/support/gemm.h"
#include "core/parallel.h"

namespace mld::cpu {
namespace {

constexpr int64_t kTileRows = 6, kTileColumns = 16;           // 12 registers of AVX2
constexpr int64_t kRows = 16 * kTileRows, kColumns = 256;     // of a block of C
constexpr int64_t kDepth = 256;                               // of a panel: B's is 256 KiB
// As wide as a tile, not as the machine's registers (those: core/cpu/support/simd.h).
using Lanes = float __attribute__((vector_size(kTileColumns * sizeof(float))));

// op(X) of a stored matrix: element (i, j).
struct Operand {
  const float* data;
  int64_t row_step, column_step;

  Operand(const float* x, int64_t ld, bool transpose)
      : data(x), row_step(transpose ? 1 : ld), column_step(transpose ? ld : 1) {}
  const float* at(int64_t i, int64_t j) const { return data + i * row_step + j * column_step; }
};

// Strips of `width` lines: packed[strip][k][line] = from[line * line_step + k * k_step], zero
// beyond the last line.
void pack(const float* from, int64_t lines, int64_t line_step, int64_t depth, int64_t k_step,
          int64_t width, float* packed) {
  for (int64_t first = 0; first < lines; first += width, packed += width * depth) {
    for (int64_t line = 0; line < width; ++line) {
      const float* source = from + (first + line) * line_step;
      const bool inside = first + line < lines;
      for (int64_t k = 0; k < depth; ++k) {
        packed[k * width + line] = inside ? source[k * k_step] : 0.0f;
      }
    }
  }
}

// The product of two strips.   a [depth, kTileRows], b [depth, kTileColumns]
void multiply(const float* a, const float* b, int64_t depth, Lanes (&sum)[kTileRows]) {
  std::fill_n(sum, kTileRows, Lanes{});
  for (int64_t k = 0; k < depth; ++k, a += kTileRows, b += kTileColumns) {
    Lanes row;
    std::memcpy(&row, b, sizeof row);
#pragma GCC unroll 6
    for (int64_t i = 0; i < kTileRows; ++i) {
      sum[i] += a[i] * row;
    }
  }
}

// c = alpha * sum + beta * c; with beta 0, c is not read.   c [rows, columns] at most a tile
void add_tile(const Lanes (&sum)[kTileRows], float alpha, float beta, int64_t rows, int64_t columns,
              float* c, int64_t ldc) {
  for (int64_t i = 0; i < rows; ++i, c += ldc) {
    for (int64_t j = 0; j < columns; ++j) {
      c[j] = alpha * sum[i][j] + (beta == 0 ? 0.0f : beta * c[j]);
    }
  }
}

}  // namespace

void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc,
          float alpha) {
  const Operand A(a, lda, transpose_a), B(b, ldb, transpose_b);
  const int64_t down = (m + kRows - 1) / kRows, across = (n + kColumns - 1) / kColumns;
  parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
    // From the pool: allocated once, and a shortage is an OutOfMemory.
    const int64_t deepest = std::min(k, kDepth);
    const Tensor memory_a({kRows * deepest}), memory_b({kColumns * deepest});
    float *packed_a = memory_a.data<float>(), *packed_b = memory_b.data<float>();
    for (int64_t block = begin; block < end; ++block) {
      const int64_t row = block % down * kRows, column = block / down * kColumns;
      const int64_t rows = std::min(kRows, m - row), columns = std::min(kColumns, n - column);
      for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
        const int64_t depth = std::min(kDepth, k - k0);
        pack(A.at(row, k0), rows, A.row_step, depth, A.column_step, kTileRows, packed_a);
        pack(B.at(k0, column), columns, B.column_step, depth, B.row_step, kTileColumns, packed_b);
        for (int64_t j = 0; j < columns; j += kTileColumns) {
          for (int64_t i = 0; i < rows; i += kTileRows) {
            Lanes sum[kTileRows];
            multiply(packed_a + i * depth, packed_b + j * depth, depth, sum);
            add_tile(sum, alpha, k0 == 0 ? beta : 1.0f, std::min(kTileRows, rows - i),
                     std::min(kTileColumns, columns - j), c + (row + i) * ldc + column + j, ldc);
          }
        }
      }
    }
  });
}

}  // namespace mld::cpu
