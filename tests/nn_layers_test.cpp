// Layers: what each computes, in training and in evaluation.
#include <array>
#include <cmath>

#include <doctest/doctest.h>

#include "nn/attention.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "normal_tensor.h"
#include "reference.h"

namespace mld {
namespace {

using test::normal_tensor;

// The value of element i when element values are their own indices.
Tensor counting(const Shape& shape) {
  Tensor x(shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(i);
  }
  return x;
}

TEST_CASE("rows: a view forward, zeros around dy backward; two blocks of one parameter add up") {
  Tape tape;
  Parameter p(Shape{4, 2});
  p.value = counting({4, 2});
  const Var x = as_input(p, tape.constant(Tensor::zeros({1})));
  const Var y = rows(x, 1, 3);
  CHECK_EQ(y.value.to_vector(), std::vector<float>{2, 3, 4, 5});
  CHECK_EQ(y.value.storage(), p.value.storage());
  tape.backward(add(y, rows(x, 2, 4)), Tensor::from({2, 2}, std::array{1.f, 2.f, 3.f, 4.f}));
  CHECK_EQ(p.grad.to_vector(), std::vector<float>{0, 0, 1, 2, 4, 6, 3, 4});
}

TEST_CASE("as_input: frozen parameters and runs without a tape record nothing") {
  Linear linear(2, 2);
  initialize(linear, 1);
  CHECK_FALSE(as_input(linear.weight, Var(Tensor::zeros({1, 2}))).needs_grad());
  Tape tape;
  const Var x = tape.constant(Tensor::zeros({1, 2}));
  CHECK(as_input(linear.weight, x).needs_grad());
  linear.weight.trainable = false;
  CHECK_FALSE(as_input(linear.weight, x).needs_grad());
}

TEST_CASE("MultiheadAttention: the packed projections, heads and the output map") {
  constexpr int64_t N = 2, Q = 3, L = 5, D = 8, E = 2, P = D / E;
  MultiheadAttention mha(D, E, 0.1f);
  initialize(mha, 3);
  mha.in_proj_bias.value = normal_tensor({3 * D}, 1);
  mha.out_proj.bias->value = normal_tensor({D}, 2);
  const Tensor query = normal_tensor({N, Q, D}, 3), memory = normal_tensor({N, L, D}, 4);
  const auto w = mha.in_proj_weight.value.to_vector(), b = mha.in_proj_bias.value.to_vector();
  const auto wo = mha.out_proj.weight.value.to_vector(), bo = mha.out_proj.bias->value.to_vector();
  // The projection of row `row` of x by block 0 (q), 1 (k) or 2 (v), feature d.
  const auto project = [&](const Tensor& x, int64_t row, int64_t block, int64_t d) {
    double sum = b[static_cast<size_t>(block * D + d)];
    for (int64_t c = 0; c < D; ++c) {
      sum += double{w[static_cast<size_t>((block * D + d) * D + c)]} *
             x.data<float>()[row * D + c];
    }
    return sum;
  };
  std::vector<double> expected;
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t q = 0; q < Q; ++q) {
      std::vector<double> heads(D);
      for (int64_t e = 0; e < E; ++e) {
        std::vector<double> p(L);
        double total = 0;
        for (int64_t l = 0; l < L; ++l) {
          double score = 0;
          for (int64_t d = e * P; d < (e + 1) * P; ++d) {
            score += project(query, n * Q + q, 0, d) * project(memory, n * L + l, 1, d);
          }
          total += p[static_cast<size_t>(l)] = std::exp(score / std::sqrt(double{P}));
        }
        for (int64_t d = e * P; d < (e + 1) * P; ++d) {
          for (int64_t l = 0; l < L; ++l) {
            heads[static_cast<size_t>(d)] +=
                p[static_cast<size_t>(l)] / total * project(memory, n * L + l, 2, d);
          }
        }
      }
      for (int64_t o = 0; o < D; ++o) {
        double sum = bo[static_cast<size_t>(o)];
        for (int64_t d = 0; d < D; ++d) {
          sum += heads[static_cast<size_t>(d)] * wo[static_cast<size_t>(o * D + d)];
        }
        expected.push_back(sum);
      }
    }
  }
  CHECK_LE(test::largest_error(mha(Var(query), Var(memory)).value.to_vector(), expected), 1e-5);

  // One query block shared by the pictures is the same as a copy per picture.
  const Tensor shared = query.rows(0, 1);
  const Var copied = repeat_batch(Var(shared.reshape({Q, D})), N);
  const std::vector<float> one = mha(Var(shared), Var(memory)).value.to_vector();
  CHECK_LE(test::largest_error(mha(copied, Var(memory)).value.to_vector(), one),
           1e-6);
  CHECK_ERROR(Error, "MultiheadAttention: 3 heads do not divide 8 features",
              MultiheadAttention(8, 3, 0.1f));
}

TEST_CASE("BatchNorm2d: training uses and counts batches, evaluation uses running statistics") {
  BatchNorm2d norm(2);
  initialize(norm, 1);
  const Tensor x = Tensor::from({2, 1, 1, 2}, std::array{1.f, 10.f, 3.f, 30.f});
  CHECK_LE(std::abs(norm(Var(x)).value.to_vector()[0] - 1.0f), 1e-4);  // mean 0, variance 1
  set_training(norm, true);
  const std::vector<float> y = norm(Var(x)).value.to_vector();
  CHECK_EQ(y[0], doctest::Approx(-1).epsilon(1e-4));
  CHECK_EQ(y[1], doctest::Approx(-1).epsilon(1e-4));
  CHECK_EQ(norm.num_batches_tracked.value.data<int64_t>()[0], 1);
  CHECK_EQ(norm.running_mean.value.to_vector()[0], doctest::Approx(0.2));
  CHECK_EQ(norm.running_var.value.to_vector()[0], doctest::Approx(0.9 + 0.1 * 2));  // unbiased
}

TEST_CASE("conv_bn: folded equals unfolded; folding is invisible and ends with the values") {
  struct Unit : Module {
    Conv2d conv{4, 6, 3, {.stride = 2, .pad = 1, .groups = 2}};
    BatchNorm2d norm{6};
    void each(Visitor& v) override {
      v("conv", conv);
      v("norm", norm);
    }
  } unit;
  initialize(unit, 2);
  unit.norm.weight.value = normal_tensor({6}, 1);
  unit.norm.bias.value = normal_tensor({6}, 2);
  unit.norm.running_mean.value = normal_tensor({6}, 3);
  unit.norm.running_var.value = Tensor::full({6}, 0.3f);
  const Var x(normal_tensor({2, 7, 5, 4}, 4)), residual(normal_tensor({2, 4, 3, 6}, 5));
  const ActivationSpec relu{.kind = Act::relu};
  const auto run = [&](const Var& r) { return conv_bn(unit.conv, unit.norm, x, relu, r).value; };
  const auto close = [](const Tensor& a, const Tensor& b) {
    return test::largest_error(a.to_vector(), b.to_vector()) < 1e-6;
  };
  const Tensor plain = run({}), added = run(residual);
  const StateDict before = state_dict(unit);
  fold_batch_norm(unit);
  CHECK(close(run({}), plain));
  CHECK(close(run(residual), added));
  REQUIRE(unit.norm.folded.weight.defined());
  CHECK(unit.norm.folded.weight.storage()->constant);
  CHECK_FALSE(unit.conv.weight.value.storage()->constant);
  const StateDict after = state_dict(unit);
  REQUIRE_EQ(after.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK_EQ(after[i].first, before[i].first);
    CHECK_EQ(after[i].second.to_vector(), before[i].second.to_vector());
  }

  Tape tape;  // a gradient is wanted: the unfolded path
  CHECK(conv_bn(unit.conv, unit.norm, tape.constant(x.value), relu).needs_grad());

  StateDict changed = before;
  changed[1].second = Tensor::zeros({6});  // norm.weight
  load_state(unit, changed);
  CHECK_FALSE(unit.norm.folded.weight.defined());
  CHECK_FALSE(close(run({}), plain));
  fold_batch_norm(unit);
  run({});
  set_training(unit, true);
  CHECK_FALSE(unit.norm.folded.weight.defined());
  CHECK_FALSE(unit.folds_norms);
}

TEST_CASE("conv_bn: a scale of |w| + eps is folded, of either sign and zero") {
  Conv2d conv(3, 5, 3, {.pad = 1});
  BatchNorm2d norm(5);
  norm.spec.abs_scale = true;
  initialize(conv, 2);
  initialize(norm, 3);
  norm.weight.value = Tensor::from({5}, std::array{1.5f, -2.0f, 0.0f, -0.1f, 0.7f});
  norm.running_mean.value = normal_tensor({5}, 3);
  const Var x(normal_tensor({2, 4, 5, 3}, 4));
  const Tensor plain = conv_bn(conv, norm, x).value;
  norm.folds_norms = true;
  const Tensor folded = conv_bn(conv, norm, x).value;
  REQUIRE(norm.folded.weight.defined());
  CHECK_LT(test::largest_error(folded.to_vector(), plain.to_vector()), 1e-6);
}

TEST_CASE("SqueezeExcite: each channel times a gate computed from all channels' means") {
  SqueezeExcite se(2, 1);
  se.fc1.weight.value = Tensor::from({1, 1, 1, 2}, std::array{1.f, -2.f});
  se.fc1.bias->value = Tensor::from({1}, std::array{0.5f});
  se.fc2.weight.value = Tensor::from({2, 1, 1, 1}, std::array{1.f, -1.f});
  se.fc2.bias->value = Tensor::from({2}, std::array{0.f, 1.f});
  // The first picture's means are 2 and 0.5, so hidden = 1.5; the second's hidden is 0.
  const Tensor x = Tensor::from({2, 1, 2, 2}, std::array{1.f, 1.f, 3.f, 0.f, 0.f, 4.f, 0.f, 2.f});
  const std::vector<float> y = se(Var(x)).value.to_vector();
  const auto gate = [](double z) { return 1 / (1 + std::exp(-z)); };
  const std::array<double, 8> expected{gate(1.5), gate(-0.5), 3 * gate(1.5), 0,
                                       0, 4 * gate(1), 0, 2 * gate(1)};
  for (size_t i = 0; i < y.size(); ++i) {
    CHECK_EQ(double{y[i]}, doctest::Approx(expected[i]).epsilon(1e-6));
  }
}

TEST_CASE("Dropout: acts in training on a tape only, every time with another mask") {
  Dropout drop(0.5f);
  const Tensor x = Tensor::full({64}, 1.0f);
  Tape tape({.seed = 1});
  CHECK_EQ(drop(tape.constant(x)).value.to_vector(), x.to_vector());
  set_training(drop, true);
  CHECK_EQ(drop(Var(x)).value.to_vector(), x.to_vector());
  const std::vector<float> y = drop(tape.constant(x)).value.to_vector();
  CHECK(std::ranges::count(y, 0.0f) > 16);
  CHECK(std::ranges::count(y, 2.0f) == 64 - std::ranges::count(y, 0.0f));
  CHECK_NE(drop(tape.constant(x)).value.to_vector(), y);
}

TEST_CASE("Conv2d: bias and output shape") {
  Conv2d conv(4, 6, 3, {.stride = 2, .pad = 1, .groups = 2}, true);
  initialize(conv, 1);
  conv.bias->value = Tensor::full({6}, 100.0f);
  const Var y = conv(Var(Tensor::zeros({1, 5, 7, 4})));
  CHECK_EQ(y.shape(), Shape{1, 3, 4, 6});
  CHECK_EQ(y.value.to_vector(), std::vector<float>(1 * 3 * 4 * 6, 100.0f));
  CHECK_ERROR(Error, "Conv2d: 4 and 7 channels do not divide into 2 groups",
              Conv2d(4, 7, 3, {.groups = 2}));
}

}  // namespace
}  // namespace mld
