// Batch norm and pooling against plain float64 loops, at sizes that cross their vector, block and
// thread boundaries. (The op rows check small shapes, gradients and messages.)
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
  return act.kind == Act::identity ? 1.0 : act.kind == Act::leaky_relu ? double{act.slope} : 0.0;
}

// Float64 results. y decides the gradient's branch, so it is taken from the kernel's y.
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
    const double top = spec.act.kind == Act::relu6 ? 6 : std::numeric_limits<double>::infinity();
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
        y[i] = std::min(z > 0 ? z : z * slope, top);
        dz[i] = vy[i] > 0 && vy[i] < top ? vdy[i] : vdy[i] * slope;
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
  const float most = k.act == Act::relu6 ? 8 : 2;  // enough to go beyond 6
  const Tensor w = random_tensor(C, 3, 0.5f, most), b = random_tensor(C, 4);
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
  // The mean is passed on as float32, so its last bit, in units of the spread, is lost.
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
    for (const Act act : {Act::identity, Act::relu, Act::leaky_relu, Act::relu6}) {
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

TEST_CASE("batch_norm: relu6 passes no gradient at 0 nor at 6, as PyTorch's hardtanh") {
  const Tensor x = Tensor::from({1, 1, 5, 1}, std::vector<float>{-1, 0, 3, 6, 7});
  const Tensor one = Tensor::full({1}, 1), zero = Tensor::full({1}, 0);
  Tensor running_mean = zero.clone(), running_var = one.clone(), mean({1}), rstd({1});
  Tensor y = unwritten(x.shape()), dx = unwritten(x.shape()), dw({1}), db({1}), none;
  const BatchNormSpec spec{.training = false, .eps = 0, .act = {.kind = Act::relu6}};
  batch_norm_forward(x, one, zero, {}, spec, running_mean, running_var, mean, rstd, y);
  CHECK_EQ(y.to_vector(), std::vector<float>{0, 0, 3, 6, 6});
  const Tensor dy = Tensor::full(x.shape(), 1);
  batch_norm_backward(dy, x, y, one, mean, rstd, spec, dx, dw, db, none);
  CHECK_EQ(dx.to_vector(), std::vector<float>{0, 0, 1, 0, 0});
}

TEST_CASE("batch_norm: relu of minus infinity is zero, and NaN stays") {
  const float inf = std::numeric_limits<float>::infinity();
  const Tensor x = Tensor::from({1, 1, 1, 2}, std::vector<float>{-inf, std::nanf("")});
  const Tensor one = Tensor::full({2}, 1), zero = Tensor::full({2}, 0);
  Tensor running_mean = zero.clone(), running_var = one.clone(), mean({2}), rstd({2});
  Tensor y = unwritten(x.shape());
  for (const Act act : {Act::relu, Act::relu6}) {
    const BatchNormSpec spec{.training = false, .act = {.kind = act}};
    batch_norm_forward(x, one, zero, {}, spec, running_mean, running_var, mean, rstd, y);
    CHECK_EQ(y.to_vector()[0], 0.0f);
    CHECK(std::isnan(y.to_vector()[1]));
  }
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

}  // namespace
}  // namespace mld::cpu
