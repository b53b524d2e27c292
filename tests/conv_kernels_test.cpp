// The kernels a convolutional network spends its time in, against plain float64 loops: every
// algorithm of the convolution, batch norm, pooling and matrix products, at sizes that cross their
// vector, block and thread boundaries. (The op rows check small shapes, gradients and messages.)
#include <cmath>
#include <cstring>
#include <limits>

#include <doctest/doctest.h>

#include "core/cpu/support/conv2d.h"
#include "core/kernels.h"
#include "core/parallel.h"
#include "tests/kernel_check.h"

namespace mld::cpu {
namespace {

using test::error;
using test::random_tensor;
using test::same_bits;
using test::unwritten;

constexpr double kLimit = test::kKernelLimit;

double activation(double z, const ActivationSpec& act) {
  const double slope = act.kind == Act::leaky_relu ? double{act.slope} : 0.0;
  const double y = z > 0 || act.kind == Act::identity ? z : z * slope;
  return act.kind == Act::relu6 ? std::min(y, 6.0) : y;
}

// ---- convolution --------------------------------------------------------------------------------

struct ConvCase {
  Shape x;
  int64_t O;
  int kernel;
  Conv2dSpec spec;

  Shape w() const { return {O, kernel, kernel, x[3] / spec.groups}; }
  Shape y() const { return {x[0], spec.out(x[1], kernel), spec.out(x[2], kernel), O}; }
  int64_t top() const { return spec.before(x[1], kernel); }
  int64_t left() const { return spec.before(x[2], kernel); }
  std::vector<ConvAlgorithm> algorithms() const {
    std::vector<ConvAlgorithm> all = {ConvAlgorithm::unfolded};
    if (has_onednn()) {
      all.insert(all.end(), {ConvAlgorithm::nhwc, ConvAlgorithm::blocked});
    }
    if (ConvProblem{x, w(), y(), spec}.is_matrix_product()) {
      all.push_back(ConvAlgorithm::gemm);
    }
    if (ConvProblem{x, w(), y(), spec}.is_depthwise()) {
      all.push_back(ConvAlgorithm::depthwise);
    }
    return all;
  }
};

// Calls visit(index in x, in w, in y) for every product of the convolution.
template <class Visit>
void for_each_product(const ConvCase& k, Visit&& visit) {
  const Shape w = k.w(), y = k.y();
  const int64_t per_group = k.O / k.spec.groups;
  for (int64_t iy = 0; iy < y.numel(); ++iy) {
    const int64_t o = iy % k.O, ow = iy / k.O % y[2], oh = iy / k.O / y[2] % y[1];
    const int64_t n = iy / k.O / y[2] / y[1];
    for (int64_t kh = 0; kh < k.kernel; ++kh) {
      for (int64_t kw = 0; kw < k.kernel; ++kw) {
        const int64_t h = oh * k.spec.stride - k.top() + kh * k.spec.dilation;
        const int64_t v = ow * k.spec.stride - k.left() + kw * k.spec.dilation;
        if (h < 0 || h >= k.x[1] || v < 0 || v >= k.x[2]) {
          continue;
        }
        for (int64_t c = 0; c < w[3]; ++c) {
          visit(((n * k.x[1] + h) * k.x[2] + v) * k.x[3] + o / per_group * w[3] + c,
                ((o * k.kernel + kh) * k.kernel + kw) * w[3] + c, iy);
        }
      }
    }
  }
}

const ConvCase kConvCases[] = {
    {{2, 9, 7, 16}, 32, 3, {.stride = 1, .pad = 1}},
    {{2, 9, 8, 16}, 24, 3, {.stride = 2, .pad = 1}},
    {{1, 8, 8, 5}, 7, 3, {.stride = 1, .pad = 1}},
    {{2, 15, 13, 3}, 16, 7, {.stride = 2, .pad = 3}},
    {{1, 6, 6, 4}, 8, 3, {.stride = 1, .pad = 0}},
    {{5, 2, 2, 16}, 24, 3, {.stride = 1, .pad = 1}},  // tiny maps
    {{3, 1, 1, 8}, 8, 3, {.stride = 1, .pad = 1}},
    {{1, 11, 11, 8}, 8, 3, {.stride = 1, .pad = 2, .dilation = 2}},
    {{2, 7, 7, 12}, 18, 3, {.stride = 1, .pad = 1, .groups = 6}},
    {{2, 8, 8, 16}, 16, 3, {.stride = 2, .pad = 1, .groups = 16}},
    {{2, 8, 8, 32}, 32, 3, {.stride = 1, .pad = 1, .groups = 2}},
    {{1, 10, 10, 4}, 4, 5, {.stride = 3, .pad = 2}},
    {{2, 7, 5, 48}, 80, 1, {}},
    {{1, 3, 3, 3}, 5, 1, {}},
    {{2, 20, 20, 64}, 16, 1, {}},
    {{2, 9, 9, 16}, 32, 1, {.stride = 2}},
    {{1, 4, 4, 8}, 8, 1, {.stride = 1, .pad = 1}},  // windows that see nothing but padding
    {{1, 5, 5, 16}, 16, 3, {.stride = 1, .pad = 4}},
    {{2, 5, 5, 32}, 32, 3, {.stride = 2, .pad = 3}},
    {{3, 1, 1, 33}, 17, 1, {}},
    {{2, 6, 6, 16}, 32, 1, {.stride = 1, .pad = 0, .groups = 4}},
    {{2, 9, 8, 3}, 16, 3, {.stride = 2, .same = true}},  // padding 1 and 1, 0 and 1
    {{1, 6, 7, 16}, 8, 5, {.stride = 2, .same = true}},  // 1 and 2, 2 and 2
    {{2, 7, 6, 16}, 16, 3, {.stride = 2, .groups = 16, .same = true}},
    {{2, 12, 13, 136}, 136, 5, {.stride = 2, .groups = 136, .same = true}},
    {{1, 13, 12, 21}, 21, 3, {.groups = 21, .same = true}},
    {{1, 5, 4, 16}, 8, 1, {.same = true}},
    {{1, 9, 8, 16}, 16, 3, {.stride = 5, .same = true}},  // no padding
};

std::string describe(const ConvCase& k, ConvAlgorithm algorithm) {
  return fmt::format("x {} -> {}, kernel {}, stride {}, pad {}, {}, dilation {}, groups {}, "
                     "algorithm {}", k.x, k.O, k.kernel, k.spec.stride, k.top(), k.left(),
                     k.spec.dilation, k.spec.groups, static_cast<int>(algorithm));
}

TEST_CASE("conv2d: every algorithm, direction and epilogue") {
  for (ConvCase k : kConvCases) {
    const Tensor x = random_tensor(k.x, 1), w = random_tensor(k.w(), 2);
    const Tensor dy = random_tensor(k.y(), 3);
    const Tensor b = random_tensor({k.O}, 4), r = random_tensor(k.y(), 5);
    const float *px = x.data<float>(), *pw = w.data<float>(), *pdy = dy.data<float>();
    std::vector<double> y(static_cast<size_t>(dy.numel())), dx(static_cast<size_t>(x.numel())),
        dw(static_cast<size_t>(w.numel()));
    for_each_product(k, [&](int64_t ix, int64_t iw, int64_t iy) {
      y[static_cast<size_t>(iy)] += double{px[ix]} * pw[iw];
      dx[static_cast<size_t>(ix)] += double{pdy[iy]} * pw[iw];
      dw[static_cast<size_t>(iw)] += double{pdy[iy]} * px[ix];
    });
    for (const ConvAlgorithm algorithm : k.algorithms()) {
      CAPTURE(describe(k, algorithm));
      Tensor ours_dx = unwritten(x.shape()), ours_dw = unwritten(w.shape());
      conv2d_backward_data_with(algorithm, dy, w, k.spec, ours_dx);
      CHECK_LT(error(ours_dx, dx), kLimit);
      conv2d_backward_weight_with(algorithm, dy, x, k.spec, ours_dw);
      CHECK_LT(error(ours_dw, dw), kLimit);
      for (const int epilogue : {0, 1, 2, 3}) {  // bits: bias, residual
        for (const Act act : {Act::identity, Act::relu, Act::leaky_relu, Act::relu6}) {
          CAPTURE(epilogue);
          CAPTURE(static_cast<int>(act));
          k.spec.act = {.kind = act, .slope = 0.1f};
          std::vector<double> z = y;
          for (size_t i = 0; i < z.size(); ++i) {
            const double bias = epilogue & 1 ? double{b.data<float>()[i % size_t(k.O)]} : 0.0;
            const double residual = epilogue & 2 ? double{r.data<float>()[i]} : 0.0;
            z[i] = activation(z[i] + bias + residual, k.spec.act);
          }
          Tensor ours = unwritten(dy.shape());
          conv2d_forward_with(algorithm, x, w, epilogue & 1 ? b : Tensor(),
                              epilogue & 2 ? r : Tensor(), k.spec, ours);
          CHECK_LT(error(ours, z), kLimit);
        }
      }
      k.spec.act = {};
    }
  }
}

// On AVX2 oneDNN's own answer is wrong or never comes, so the rule has to choose something else.
TEST_CASE("conv2d: a strided 1x1 over few channels") {
  for (const auto& [in, out] : {std::pair{2, 4}, {4, 8}, {3, 5}, {16, 2}}) {
    const ConvCase k{{4, 16, 16, in}, out, 1, {.stride = 2}};
    const Tensor x = random_tensor(k.x, 1), dy = random_tensor(k.y(), 3);
    std::vector<double> want(static_cast<size_t>(k.w().numel()));
    for_each_product(k, [&](int64_t ix, int64_t iw, int64_t iy) {
      want[static_cast<size_t>(iw)] += double{dy.data<float>()[iy]} * x.data<float>()[ix];
    });
    Tensor dw = unwritten(k.w());
    cpu::conv2d_backward_weight(dy, x, k.spec, dw);
    CHECK_LT(error(dw, want), kLimit);
  }
}

TEST_CASE("conv2d: no epilogue hides NaN") {
  for (ConvCase k : {ConvCase{{1, 6, 6, 16}, 16, 3, {.pad = 1}}, {{1, 6, 6, 16}, 16, 1, {}}}) {
    Tensor x = random_tensor(k.x, 1);
    x.data<float>()[0] = std::nanf("");
    const Tensor w = random_tensor(k.w(), 2), b = random_tensor({k.O}, 3);
    const Tensor r = random_tensor(k.y(), 4);
    for (const ConvAlgorithm algorithm : k.algorithms()) {
      for (const ActivationSpec& act :
           {ActivationSpec{}, {.kind = Act::relu}, {.kind = Act::leaky_relu, .slope = 0.1f},
            {.kind = Act::leaky_relu, .slope = 0}, {.kind = Act::relu6}}) {
        for (const Tensor& residual : {Tensor(), r}) {
          CAPTURE(describe(k, algorithm));
          k.spec.act = act;
          Tensor y = unwritten(k.y());
          conv2d_forward_with(algorithm, x, w, b, residual, k.spec, y);
          const std::vector<float> values = y.to_vector();
          CHECK(std::all_of(values.begin(), values.begin() + k.O,
                            [](float v) { return std::isnan(v); }));
          CHECK(std::isfinite(values.back()));
        }
      }
    }
  }
}

TEST_CASE("conv2d: a constant weight is packed once and stays right in every use") {
  const ConvCase k{{2, 9, 7, 16}, 32, 3, {.stride = 1, .pad = 1}};
  const ConvCase other{{1, 12, 12, 16}, 32, 3, {.stride = 2, .pad = 1}};
  const Tensor w = random_tensor(k.w(), 2), frozen = w.clone();
  frozen.storage()->constant = true;
  for (int round = 0; round < 3; ++round) {
    for (const ConvCase& c : {k, other}) {
      const Tensor x = random_tensor(c.x, 1), dy = random_tensor(c.y(), 3);
      for (const ConvAlgorithm algorithm : c.algorithms()) {
        CAPTURE(describe(c, algorithm));
        Tensor y = unwritten(c.y()), frozen_y = unwritten(c.y());
        Tensor dx = unwritten(c.x), frozen_dx = unwritten(c.x);
        conv2d_forward_with(algorithm, x, w, {}, {}, c.spec, y);
        conv2d_forward_with(algorithm, x, frozen, {}, {}, c.spec, frozen_y);
        CHECK(same_bits(y, frozen_y));
        conv2d_backward_data_with(algorithm, dy, w, c.spec, dx);
        conv2d_backward_data_with(algorithm, dy, frozen, c.spec, frozen_dx);
        CHECK(same_bits(dx, frozen_dx));
      }
    }
  }
  CHECK((frozen.storage()->packed != nullptr) == has_onednn());  // only oneDNN packs
  CHECK(w.storage()->packed == nullptr);
}

TEST_CASE("conv2d: two views of one constant storage do not share a packed copy") {
  const Tensor both = random_tensor({64, 3, 3, 16}, 2), x = random_tensor({1, 8, 8, 16}, 1);
  const Tensor plain = both.clone();
  both.storage()->constant = true;
  const Conv2dSpec spec{.stride = 1, .pad = 1};
  for (const ConvAlgorithm algorithm : ConvCase{{1, 8, 8, 16}, 32, 3, spec}.algorithms()) {
    for (const int64_t first : {0, 32}) {
      Tensor y = unwritten({1, 8, 8, 32}), expected = unwritten(y.shape());
      conv2d_forward_with(algorithm, x, both.rows(first, first + 32), {}, {}, spec, y);
      conv2d_forward_with(algorithm, x, plain.rows(first, first + 32), {}, {}, spec, expected);
      CHECK(same_bits(y, expected));
    }
  }
}

TEST_CASE("conv2d: convolutions of networks repeat bit for bit on two threads and agree with one") {
  const int before = compute_threads();
  const ConvCase cases[] = {{{2, 56, 56, 64}, 64, 3, {.stride = 1, .pad = 1}},
                            {{2, 28, 28, 128}, 256, 3, {.stride = 2, .pad = 1}},
                            {{2, 56, 56, 64}, 256, 1, {}},
                            {{2, 14, 14, 1024}, 256, 1, {}},
                            {{2, 7, 7, 512}, 2048, 1, {}},
                            {{2, 56, 56, 256}, 512, 1, {.stride = 2}},
                            {{2, 64, 64, 3}, 64, 7, {.stride = 2, .pad = 3}},
                            {{2, 28, 28, 240}, 240, 5, {.groups = 240, .same = true}},
                            {{2, 57, 56, 64}, 64, 3, {.stride = 2, .groups = 64, .same = true}}};
  for (const ConvCase& k : cases) {
    CAPTURE(describe(k, ConvAlgorithm::nhwc));
    const Tensor x = random_tensor(k.x, 1), w = random_tensor(k.w(), 2);
    const Tensor dy = random_tensor(k.y(), 3);
    std::vector<Tensor> runs[3];
    for (int run = 0; run < 3; ++run) {
      set_threads(run == 2 ? 1 : 2);
      Tensor y = unwritten(dy.shape()), dx = unwritten(x.shape()), dw = unwritten(w.shape());
      conv2d_forward(x, w, {}, {}, k.spec, y);
      conv2d_backward_data(dy, w, k.spec, dx);
      conv2d_backward_weight(dy, x, k.spec, dw);
      runs[run] = {y, dx, dw};
    }
    set_threads(before);
    for (size_t i = 0; i < 3; ++i) {
      CHECK(same_bits(runs[0][i], runs[1][i]));
      const std::vector<float> one = runs[2][i].to_vector();
      CHECK_LT(error(runs[0][i], {one.begin(), one.end()}), kLimit);
    }
  }
}

}  // namespace
}  // namespace mld::cpu
