// Matrix products against plain float64 loops, at sizes that cross their vector, block and thread
// boundaries. (The op rows check small shapes, gradients and messages.)
#include <array>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "core/cpu/support/gemm.h"
#include "core/kernels.h"
#include "core/parallel.h"
#include "tests/kernel_check.h"

namespace mld::cpu {
namespace {

using test::doubles;
using test::error;
using test::random_tensor;
using test::unwritten;

constexpr double kLimit = test::kKernelLimit;

TEST_CASE("linear: forward, backward, with and without bias and relu") {
  for (const auto& [M, C, O] : {std::array<int64_t, 3>{1, 1, 1}, {7, 13, 5}, {130, 64, 33},
                                {3, 2048, 100}, {2000, 9, 70}}) {
    CAPTURE(fmt::format("M {} C {} O {}", M, C, O));
    const Tensor x = random_tensor({M, C}, 1), w = random_tensor({O, C}, 2);
    const Tensor b = random_tensor({O}, 3);
    const Tensor dy = random_tensor({M, O}, 4);
    const std::vector<double> vx = doubles(x), vw = doubles(w), vb = doubles(b), vdy = doubles(dy);
    std::vector<double> product(vdy.size()), dx(vx.size()), dw(vw.size());
    const size_t rows = static_cast<size_t>(M), in = static_cast<size_t>(C),
                 out = static_cast<size_t>(O);
    for (size_t m = 0; m < rows; ++m) {
      for (size_t o = 0; o < out; ++o) {
        for (size_t c = 0; c < in; ++c) {
          product[m * out + o] += vx[m * in + c] * vw[o * in + c];
          dx[m * in + c] += vdy[m * out + o] * vw[o * in + c];
          dw[o * in + c] += vdy[m * out + o] * vx[m * in + c];
        }
      }
    }
    for (const bool bias : {false, true}) {
      for (const Act act : {Act::identity, Act::relu}) {
        std::vector<double> z = product;
        for (size_t i = 0; i < z.size(); ++i) {
          z[i] += bias ? vb[i % out] : 0;
          z[i] = act == Act::relu ? std::max(z[i], 0.0) : z[i];
        }
        Tensor y = unwritten({M, O});
        linear_forward(x, w, bias ? b : Tensor(), {.act = {.kind = act}}, y);
        CHECK_LT(error(y, z), kLimit);
      }
    }
    Tensor ours_dx = unwritten(x.shape()), ours_dw = unwritten(w.shape());
    linear_backward_data(dy, w, ours_dx);
    CHECK_LT(error(ours_dx, dx), kLimit);
    linear_backward_weight(dy, x, ours_dw);
    CHECK_LT(error(ours_dw, dw), kLimit);
  }
}

TEST_CASE("matmul: batches of small and single large products, every transposition") {
  for (const auto& [B, M, C, O] :
       {std::array<int64_t, 4>{1, 3, 5, 7}, {9, 33, 17, 20}, {2, 1, 64, 1}, {1, 130, 300, 90},
        {40, 8, 8, 8}}) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        CAPTURE(fmt::format("B {} M {} C {} O {} transposed {} {}", B, M, C, O, ta, tb));
        const Tensor a = random_tensor(ta ? Shape{B, C, M} : Shape{B, M, C}, 1);
        const Tensor b = random_tensor(tb ? Shape{B, O, C} : Shape{B, C, O}, 2);
        const std::vector<double> va = doubles(a), vb = doubles(b);
        std::vector<double> right(static_cast<size_t>(B * M * O));
        for (int64_t i = 0; i < B * M * O; ++i) {
          const int64_t n = i / O / M, m = i / O % M, o = i % O;
          for (int64_t c = 0; c < C; ++c) {
            right[static_cast<size_t>(i)] +=
                va[static_cast<size_t>(n * M * C + (ta ? c * M + m : m * C + c))] *
                vb[static_cast<size_t>(n * C * O + (tb ? o * C + c : c * O + o))];
          }
        }
        Tensor y = unwritten({B, M, O});
        matmul(a, b, {.transpose_a = ta, .transpose_b = tb}, y);
        CHECK_LT(error(y, right), kLimit);
      }
    }
  }
}

TEST_CASE("gemm: the edges of its blocks, rows longer than the matrix, alpha, beta") {
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {97, 257, 257}, {7, 33, 600},
                                {200, 16, 5}, {0, 4, 4}}) {
    for (const int transposed : {0, 1, 2, 3}) {  // bits: a, b
      for (const float beta : {0.0f, 0.5f}) {
        CAPTURE(fmt::format("m {} n {} k {} transposed {} beta {}", m, n, k, transposed, beta));
        const bool ta = transposed & 1, tb = transposed & 2;
        const int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 1, ldc = n + 2;
        const Tensor a = random_tensor({ta ? k : m, lda}, 1);
        const Tensor b = random_tensor({tb ? n : k, ldb}, 2);
        // With beta 0 the old values are not read, not even NaN.
        Tensor c = beta == 0 ? unwritten({m, ldc}) : random_tensor({m, ldc}, 3);
        const std::vector<double> va = doubles(a), vb = doubles(b), before = doubles(c);
        gemm(ta, tb, m, n, k, a.data<float>(), lda, b.data<float>(), ldb, beta, c.data<float>(),
             ldc, 2.0f);
        const std::vector<double> after = doubles(c);
        double worst = 0;
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            const auto at = static_cast<size_t>(i * ldc + j);
            double right = beta == 0 ? 0 : beta * before[at];
            for (int64_t p = 0; p < k; ++p) {
              right += 2 * va[static_cast<size_t>(ta ? p * lda + i : i * lda + p)] *
                       vb[static_cast<size_t>(tb ? j * ldb + p : p * ldb + j)];
            }
            const double difference = std::abs(after[at] - right);
            worst = std::isnan(difference) ? difference : std::max(worst, difference);
          }
        }
        CHECK_LT(worst, 1e-5 * std::max(1.0, std::sqrt(static_cast<double>(k))));
        if (beta != 0 && m > 0) {  // beyond the matrix nothing is written
          CHECK_EQ(after[static_cast<size_t>(n)], before[static_cast<size_t>(n)]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace mld::cpu
