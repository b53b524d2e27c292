// Batch norm, pooling and matrix products against plain float64 loops, at sizes that reach their
// vector, block and thread boundaries. (The op rows check small shapes, gradients and messages.)
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

// ---- batch norm ---------------------------------------------------------------------------------

struct BatchNormCase {
  int64_t N, H, C;
  Act act;
  bool residual, training = true;
  float low = -1, high = 1;  // of x
};

double slope_below(const ActivationSpec& act) {
  return act.kind == Act::identity ? 1.0 : act.kind == Act::relu ? 0.0 : double{act.slope};
}

// Float64 results. y's sign decides the gradient's branch, so it is taken from the kernel's y.
struct BatchNormReference {
  std::vector<double> y, dx, dw, db, dz, mean, var;

  BatchNormReference(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& residual,
                     const Tensor& dy, const Tensor& ours_y, const Tensor& running_mean,
                     const Tensor& running_var, const BatchNormSpec& spec) {
    const size_t C = static_cast<size_t>(x.shape()[-1]), M = static_cast<size_t>(x.numel()) / C;
    const std::vector<double> vx = doubles(x), vr = doubles(residual), vdy = doubles(dy),
                              vy = doubles(ours_y), vw = doubles(w), vb = doubles(b);
    mean = doubles(running_mean), var = doubles(running_var);
    y.resize(M * C), dx = y, dz = y, dw.resize(C), db = dw;
    const double slope = slope_below(spec.act), n = static_cast<double>(M);
    for (size_t c = 0; c < C; ++c) {
      if (spec.training) {
        mean[c] = var[c] = 0;
        for (size_t i = c; i < M * C; i += C) {
          mean[c] += vx[i] / n;
        }
        for (size_t i = c; i < M * C; i += C) {
          var[c] += (vx[i] - mean[c]) * (vx[i] - mean[c]) / n;
        }
      }
      const double rstd = 1 / std::sqrt(var[c] + double{spec.eps});
      for (size_t i = c; i < M * C; i += C) {
        const double z = (vx[i] - mean[c]) * rstd * vw[c] + vb[c] + (vr.empty() ? 0 : vr[i]);
        y[i] = z > 0 ? z : z * slope;
        dz[i] = vy[i] > 0 ? vdy[i] : vdy[i] * slope;
        db[c] += dz[i];
        dw[c] += dz[i] * (vx[i] - mean[c]) * rstd;
      }
      for (size_t i = c; i < M * C; i += C) {
        const double xhat = (vx[i] - mean[c]) * rstd;
        dx[i] = vw[c] * rstd * (dz[i] - (spec.training ? (db[c] + xhat * dw[c]) / n : 0));
      }
    }
  }
};

void check_batch_norm(const BatchNormCase& k) {
  CAPTURE(fmt::format("[{}, {}, {}, {}] act {} residual {} training {} x in [{}, {}]", k.N, k.H,
                      k.H, k.C, static_cast<int>(k.act), k.residual, k.training, k.low, k.high));
  const Shape shape{k.N, k.H, k.H, k.C}, C{k.C};
  const Tensor x = random_tensor(shape, 1, k.low, k.high), dy = random_tensor(shape, 2);
  const Tensor w = random_tensor(C, 3, 0.5f, 2), b = random_tensor(C, 4);
  const Tensor residual = k.residual ? random_tensor(shape, 5) : Tensor();
  const BatchNormSpec spec{.training = k.training, .eps = 1e-5f, .momentum = 0.1f,
                           .act = {.kind = k.act, .slope = 0.1f}};
  const Tensor old_mean = random_tensor(C, 6), old_var = random_tensor(C, 7, 0.5f, 2);
  Tensor running_mean = old_mean.clone(), running_var = old_var.clone();
  Tensor mean = unwritten(C), rstd = unwritten(C), dw = unwritten(C), db = unwritten(C);
  Tensor y = unwritten(shape), dx = unwritten(shape);
  Tensor dresidual = k.residual ? unwritten(x.shape()) : Tensor();
  batch_norm_forward(x, w, b, residual, spec, running_mean, running_var, mean, rstd, y);
  batch_norm_backward(dy, x, y, w, mean, rstd, spec, dx, dw, db, dresidual);
  const BatchNormReference right(x, w, b, residual, dy, y, old_mean, old_var, spec);
  // The mean passes between the two as float32: its last bit, in units of the spread, is lost.
  const double spread = (double{k.high} - k.low) / std::sqrt(12.0);
  const double limit = kLimit + 0x1p-24 * std::abs(double{k.high}) / spread;
  CHECK_LT(error(mean, right.mean), kLimit);
  CHECK_LT(error(y, right.y), limit);
  CHECK_LT(error(dx, right.dx), limit);
  CHECK_LT(error(dw, right.dw), 2 * limit);  // a sum, in which the mean's error has one sign
  CHECK_LT(error(db, right.db), kLimit);
  if (k.residual) {
    CHECK_LT(error(dresidual, right.dz), 1e-7);
  }
  std::vector<double> new_mean = doubles(old_mean), new_var = doubles(old_var);
  const double n = static_cast<double>(k.N * k.H * k.H);
  for (size_t c = 0; k.training && c < new_mean.size(); ++c) {
    new_mean[c] = 0.9 * new_mean[c] + 0.1 * right.mean[c];
    new_var[c] = 0.9 * new_var[c] + 0.1 * right.var[c] * n / (n - 1);
  }
  CHECK_LT(error(running_mean, new_mean), 1e-6);
  CHECK_LT(error(running_var, new_var), 1e-6);
  std::vector<double> right_rstd = right.var;
  for (double& value : right_rstd) {
    value = 1 / std::sqrt(value + double{spec.eps});
  }
  CHECK_LT(error(rstd, right_rstd), 1e-6);
}

TEST_CASE("batch_norm: every size class, activation and mode") {
  for (const int64_t C : {1, 3, 16, 17, 64, 100, 2048}) {
    for (const Act act : {Act::identity, Act::relu, Act::leaky_relu}) {
      for (const bool residual : {false, true}) {
        check_batch_norm({3, 11, C, act, residual});
        check_batch_norm({2, 5, C, act, residual, false});
      }
    }
  }
  check_batch_norm({8, 56, 64, Act::relu, true});
  check_batch_norm({2, 1, 5, Act::relu, false});
}

TEST_CASE("batch_norm: a mean far above the spread costs no more than its rounding to float32") {
  check_batch_norm({4, 40, 8, Act::identity, false, true, 1000.0f, 1001.0f});
  check_batch_norm({4, 40, 3, Act::relu, true, true, -30001.0f, -30000.0f});
}

TEST_CASE("batch_norm: an outlier in the first row does not spoil the variance") {
  Tensor x = random_tensor({64, 10, 10, 2}, 1);
  x.data<float>()[0] = 3000.0f;
  const Tensor w = Tensor::full({2}, 1), b = Tensor::full({2}, 0), none;
  Tensor running_mean = Tensor::zeros({2}), running_var = Tensor::full({2}, 1);
  Tensor mean({2}), rstd({2}), y = unwritten(x.shape());
  const BatchNormSpec spec{};
  batch_norm_forward(x, w, b, none, spec, running_mean, running_var, mean, rstd, y);
  const BatchNormReference right(x, w, b, none, x, y, running_mean, running_var, spec);
  for (int64_t c = 0; c < 2; ++c) {
    const double rstd_c = 1 / std::sqrt(right.var[static_cast<size_t>(c)] + 1e-5);
    CHECK_LT(error(rstd.rows(c, c + 1), {rstd_c}), 1e-6);
  }
}

TEST_CASE("batch_norm: relu of minus infinity is zero, and NaN stays") {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from({1, 1, 1, 2}, std::vector<float>{-inf, std::nanf("")});
  const Tensor one = Tensor::full({2}, 1), zero = Tensor::full({2}, 0);
  Tensor running_mean = zero.clone(), running_var = one.clone(), mean({2}), rstd({2});
  Tensor y = unwritten(x.shape());
  const BatchNormSpec spec{.training = false, .act = {.kind = Act::relu}};
  batch_norm_forward(x, one, zero, {}, spec, running_mean, running_var, mean, rstd, y);
  CHECK_EQ(y.to_vector()[0], 0.0f);
  CHECK(std::isnan(y.to_vector()[1]));
}

// ---- pooling ------------------------------------------------------------------------------------

struct PoolCase {
  Shape x;
  PoolSpec spec;
};

const PoolCase kPoolCases[] = {
    {{2, 14, 12, 64}, {.kernel = 3, .stride = 2, .pad = 1}},
    {{1, 9, 9, 3}, {.kernel = 3, .stride = 2, .pad = 1}},
    {{2, 8, 6, 17}, {.kernel = 2, .stride = 2}},
    {{1, 7, 7, 40}, {.kernel = 2, .stride = 2, .pad = 0, .ceil_mode = true}},
    {{1, 7, 7, 33}, {.kernel = 3, .stride = 1, .pad = 1}},
    {{2, 5, 5, 1}, {.kernel = 5, .stride = 5}},
    {{1, 6, 6, 20}, {.kernel = 2, .stride = 3}},
    {{1, 8, 8, 24}, {.kernel = 4, .stride = 1, .pad = 2}},
};

// Calls visit(index in y, index in x, position) for every pair that meets in a window.
template <class Visit>
void for_each_window(const PoolCase& k, const Shape& y, Visit&& visit) {
  for (int64_t iy = 0; iy < y.numel(); ++iy) {
    const int64_t c = iy % y[3], ow = iy / y[3] % y[2], oh = iy / y[3] / y[2] % y[1];
    const int64_t n = iy / y[3] / y[2] / y[1];
    for (int64_t p = 0; p < k.spec.kernel * k.spec.kernel; ++p) {
      const int64_t h = oh * k.spec.stride - k.spec.pad + p / k.spec.kernel;
      const int64_t w = ow * k.spec.stride - k.spec.pad + p % k.spec.kernel;
      if (h >= 0 && h < k.x[1] && w >= 0 && w < k.x[2]) {
        visit(static_cast<size_t>(iy),
              static_cast<size_t>(((n * k.x[1] + h) * k.x[2] + w) * y[3] + c), p);
      }
    }
  }
}

TEST_CASE("pooling: forward and backward") {
  for (const PoolCase& k : kPoolCases) {
    const Shape shape{k.x[0], k.spec.out(k.x[1]), k.spec.out(k.x[2]), k.x[3]};
    CAPTURE(fmt::format("{} kernel {} stride {}", k.x, k.spec.kernel, k.spec.stride));
    Tensor x = random_tensor(k.x, 1);
    for (int64_t i = 0; i < x.numel(); ++i) {  // coarse values, so that windows have ties
      x.data<float>()[i] = std::round(x.data<float>()[i] * 4);
    }
    const Tensor dy = random_tensor(shape, 2);
    const std::vector<double> vx = doubles(x), vdy = doubles(dy);
    const size_t size = static_cast<size_t>(shape.numel());
    std::vector<double> best(size, -1e30), mean(size), count(size), where(size);
    std::vector<size_t> winner(size);
    for_each_window(k, shape, [&](size_t iy, size_t ix, int64_t p) {
      mean[iy] += vx[ix], count[iy] += 1;
      if (vx[ix] > best[iy]) {
        best[iy] = vx[ix], winner[iy] = ix, where[iy] = static_cast<double>(p);
      }
    });
    std::vector<double> dmax(vx.size()), davg(vx.size());
    for_each_window(k, shape, [&](size_t iy, size_t ix, int64_t) {
      davg[ix] += vdy[iy] / count[iy];
    });
    for (size_t i = 0; i < size; ++i) {
      mean[i] /= count[i], dmax[winner[i]] += vdy[i];
    }
    Tensor argmax(shape, DType::u8), y = unwritten(shape), dx = unwritten(k.x);
    max_pool_forward(x, k.spec, argmax, y);
    CHECK_EQ(error(y, best), 0.0);
    CHECK_EQ(error(argmax, where), 0.0);
    max_pool_backward(dy, argmax, k.spec, dx);
    CHECK_LT(error(dx, dmax), kLimit);
    avg_pool_forward(x, k.spec, y);
    CHECK_LT(error(y, mean), kLimit);
    avg_pool_backward(dy, k.spec, dx);
    CHECK_LT(error(dx, davg), kLimit);
  }
}

TEST_CASE("max_pool: NaN wins its window, as in PyTorch") {
  const float nan = std::nanf("");
  const Tensor x = Tensor::from({1, 2, 2, 1}, std::vector<float>{1, nan, 3, 2});
  Tensor argmax({1, 1, 1, 1}, DType::u8), y({1, 1, 1, 1});
  max_pool_forward(x, {}, argmax, y);
  CHECK(std::isnan(y.item()));
  CHECK_EQ(argmax.to_vector()[0], 1.0f);
}

// ---- matrix products ----------------------------------------------------------------------------

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
        // With beta 0 what was there is not read, not even NaN.
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
