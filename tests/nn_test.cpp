// Modules, layers and the way values get into and out of them.
#include <array>
#include <cmath>

#include <doctest/doctest.h>

#include "core/parallel.h"
#include "nn/attention.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "reference.h"

namespace mld {
namespace {

// Two levels, every kind of member.
struct Inner : Module {
  Conv2d conv{4, 6, 3, {.stride = 2, .pad = 1, .groups = 2, .bias = true}};
  BatchNorm2d norm{6};
  void each(Visitor& v) override {
    v("conv", conv);
    v("norm", norm);
  }
};
struct Outer : Module {
  Inner inner;
  std::vector<Linear> layers{{3, 2, true}, {2, 1, false}};
  LayerNorm unnamed{2};
  void each(Visitor& v) override {
    v("inner", inner);
    v("layers", layers);
    v("", unnamed);
  }
};

Tensor random_tensor(const Shape& shape, uint32_t stream) {
  Parameter p(shape);
  RandomStream random({11, 0, stream});
  fill_normal(p, random, 1.0);
  return p.value;
}

// The value of element i when element values are their own indices.
Tensor counting(const Shape& shape) {
  Tensor x(shape);
  for (int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(i);
  }
  return x;
}

TEST_CASE("walk: dotted names in the order of each(), an empty name adds nothing") {
  Outer model;
  std::vector<std::string> names;
  for (const auto& [name, p] : parameters(model)) {
    names.push_back(name);
  }
  const std::vector<std::string> expected{
      "inner.conv.weight", "inner.conv.bias", "inner.norm.weight", "inner.norm.bias",
      "layers.0.weight",   "layers.0.bias",   "layers.1.weight",   "weight",
      "bias"};
  CHECK_EQ(names, expected);
  CHECK_EQ(buffers(model)[2].first, "inner.norm.num_batches_tracked");
  CHECK_EQ(count_parameters(model), 6 * 9 * 2 + 6 + 12 + 6 + 2 + 2 + 4);
}

TEST_CASE("values: none before initialize(); the same for any number of threads") {
  Outer model;
  CHECK_FALSE(parameters(model)[0].second->value.defined());
  CHECK_ERROR(Error,
              "as_input: a parameter of shape [2, 3] has no value; initialize() the model or "
              "load_state() first",
              model.layers[0](Var(Tensor::zeros({1, 3}))));
  CHECK_ERROR(Error, "state_dict: inner.conv.weight has no value yet", state_dict(model));

  const int threads = compute_threads();
  struct Big : Module {
    Conv2d conv{64, 256, 3};
    void each(Visitor& v) override { v("conv", conv); }
  } one, two, other;
  set_threads(1);
  initialize(one, 5);
  set_threads(3);
  initialize(two, 5);
  set_threads(threads);
  initialize(other, 6);
  CHECK_EQ(one.conv.weight.value.to_vector(), two.conv.weight.value.to_vector());
  CHECK_NE(one.conv.weight.value.to_vector(), other.conv.weight.value.to_vector());
}

TEST_CASE("initial values: the published distributions; two layers never share numbers") {
  struct Parts : Module {
    Conv2d conv{32, 64, 3};
    Linear a{400, 300}, b{400, 300};
    MultiheadAttention attention{64, 8, 0.1f};
    BatchNorm2d norm{5};
    void each(Visitor& v) override {
      v("conv", conv);
      v("a", a);
      v("b", b);
      v("attention", attention);
      v("norm", norm);
    }
  } parts;
  initialize(parts, 1);
  const auto moments = [](const Tensor& x) {
    double mean = 0, square = 0, largest = 0;
    for (const float v : x.to_vector()) {
      mean += v;
      square += double{v} * v;
      largest = std::max(largest, std::abs(double{v}));
    }
    const double n = static_cast<double>(x.numel());
    return std::array{mean / n, std::sqrt(square / n), largest};
  };
  const auto conv = moments(parts.conv.weight.value);  // N(0, 2 / (64 * 9)), 18,432 values
  CHECK_EQ(conv[1], doctest::Approx(std::sqrt(2.0 / (64 * 9))).epsilon(0.03));
  CHECK_LT(std::abs(conv[0]), 4 * conv[1] / std::sqrt(18432.0));
  CHECK_GT(conv[2], 3.3 * conv[1]);  // a normal has tails, a uniform has none
  const auto linear = moments(parts.a.weight.value);  // U(+-1/20), 120,000 values
  CHECK_EQ(linear[1], doctest::Approx(0.05 / std::sqrt(3.0)).epsilon(0.01));
  CHECK_LE(linear[2], 0.05);
  CHECK_GT(linear[2], 0.0499);
  CHECK_LE(moments(parts.a.bias->value)[2], 0.05);
  CHECK_EQ(moments(parts.attention.in_proj_weight.value)[2],
           doctest::Approx(std::sqrt(6.0 / (4 * 64))).epsilon(0.01));
  CHECK_EQ(moments(parts.attention.out_proj.weight.value)[2], doctest::Approx(0.125).epsilon(0.01));
  CHECK_EQ(moments(parts.attention.in_proj_bias.value)[2], 0);
  CHECK_EQ(moments(parts.attention.out_proj.bias->value)[2], 0);
  CHECK_EQ(parts.norm.running_var.value.to_vector(), std::vector<float>(5, 1.0f));
  CHECK_EQ(parts.norm.num_batches_tracked.value.data<int64_t>()[0], 0);
  CHECK_NE(parts.a.weight.value.to_vector(), parts.b.weight.value.to_vector());
}

TEST_CASE("state: convolution weights are OIHW on disk, OHWI in memory") {
  Outer model;
  initialize(model, 1);
  model.inner.conv.weight.value = counting({6, 3, 3, 2});
  const StateDict state = state_dict(model);
  REQUIRE_EQ(state[0].first, "inner.conv.weight");
  REQUIRE_EQ(state[0].second.shape(), Shape{6, 2, 3, 3});
  const std::vector<float> disk = state[0].second.to_vector();
  for (int o = 0; o < 6; ++o)
    for (int i = 0; i < 2; ++i)
      for (int h = 0; h < 3; ++h)
        for (int w = 0; w < 3; ++w) {
          CHECK_EQ(disk[static_cast<size_t>(((o * 2 + i) * 3 + h) * 3 + w)],
                   ((o * 3 + h) * 3 + w) * 2 + i);
        }

  Outer other;  // not initialised: loading is enough
  load_state(other, state);
  const StateDict again = state_dict(other);
  REQUIRE_EQ(again.size(), state.size());
  for (size_t i = 0; i < state.size(); ++i) {
    CHECK_EQ(again[i].first, state[i].first);
    CHECK_EQ(again[i].second.dtype(), state[i].second.dtype());
    CHECK_EQ(again[i].second.to_vector(), state[i].second.to_vector());
  }
  CHECK_EQ(other.inner.conv.weight.value.to_vector(), model.inner.conv.weight.value.to_vector());
  state[0].second.data<float>()[0] = 99;  // copies, both ways
  CHECK_EQ(other.inner.conv.weight.value.to_vector()[0], 0.0f);
  CHECK_EQ(model.inner.conv.weight.value.to_vector()[0], 0.0f);
}

TEST_CASE("state: bfloat16 files are widened, an absent batch counter is zero") {
  Inner model;
  initialize(model, 1);
  StateDict state = state_dict(model);
  state.pop_back();  // norm.num_batches_tracked
  for (auto& [name, tensor] : state) {
    Tensor narrow(tensor.shape(), DType::bf16);
    KERNEL(Device{}, cast)(tensor, narrow);
    tensor = narrow;
  }
  Inner other;
  load_state(other, state);
  CHECK_EQ(other.norm.num_batches_tracked.value.data<int64_t>()[0], 0);
  const std::vector<float> exact = model.conv.weight.value.to_vector();
  const std::vector<float> wide = other.conv.weight.value.to_vector();
  for (size_t i = 0; i < exact.size(); ++i) {
    CHECK_EQ(wide[i], static_cast<float>(bf16(exact[i])));
  }
}

TEST_CASE("state: what does not fit is listed, and nothing is written") {
  Inner model;
  initialize(model, 1);
  StateDict state = state_dict(model);
  state[0].second = Tensor::zeros({6, 4, 3, 3});
  state[1].first = "conv.bi\x1b[31mas";
  state[3].second = Tensor::zeros({6}, DType::i32);
  const std::vector<float> before = model.norm.weight.value.to_vector();
  state[2].second = Tensor::full({6}, 5);
  CHECK_ERROR(DataError,
              "the weights do not fit the model: 1 missing (conv.bias); 1 unexpected "
              "(conv.bi?[31mas); 2 of another shape (conv.weight: [6, 4, 3, 3] in the file, "
              "[6, 2, 3, 3] in the model, norm.bias: int32 in the file, float32 in the model)",
              load_state(model, state));
  CHECK_EQ(model.norm.weight.value.to_vector(), before);

  const LoadReport report = load_state(model, state, LoadPolicy::matching);
  CHECK_EQ(report.missing, std::vector<std::string>{"conv.bias"});
  CHECK_EQ(report.unexpected.size(), 1);
  CHECK_EQ(report.mismatched.size(), 2);
  CHECK_EQ(model.norm.weight.value.to_vector(), std::vector<float>(6, 5.0f));
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
  mha.in_proj_bias.value = random_tensor({3 * D}, 1);
  mha.out_proj.bias->value = random_tensor({D}, 2);
  const Tensor query = random_tensor({N, Q, D}, 3), memory = random_tensor({N, L, D}, 4);
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
  CHECK_LE(reference::error(mha(Var(query), Var(memory)).value.to_vector(), expected), 1e-5);

  // One query block shared by the images is the same as a copy per image.
  const Tensor shared = query.rows(0, 1);
  const Var copied = repeat_batch(Var(shared.reshape({Q, D})), N);
  const std::vector<float> one = mha(Var(shared), Var(memory)).value.to_vector();
  CHECK_LE(reference::error(mha(copied, Var(memory)).value.to_vector(), {one.begin(), one.end()}),
           1e-6);
  CHECK_EQ(mha.macs(Q, L), (2 * Q + 2 * L) * D * D + 2 * Q * L * D);
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
  unit.norm.weight.value = random_tensor({6}, 1);
  unit.norm.bias.value = random_tensor({6}, 2);
  unit.norm.running_mean.value = random_tensor({6}, 3);
  unit.norm.running_var.value = Tensor::full({6}, 0.3f);
  const Var x(random_tensor({2, 7, 5, 4}, 4)), residual(random_tensor({2, 4, 3, 6}, 5));
  const ActivationSpec relu{.kind = Act::relu};
  const auto run = [&](const Var& r) { return conv_bn(unit.conv, unit.norm, x, relu, r).value; };
  const auto close = [](const Tensor& a, const Tensor& b) {
    const std::vector<float> v = b.to_vector();
    return reference::error(a.to_vector(), {v.begin(), v.end()}) < 1e-6;
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

TEST_CASE("Dropout: acts in training on a tape only; a given mask replaces the draw") {
  Dropout drop(0.5f);
  const Tensor x = Tensor::full({4}, 1.0f);
  Tape tape({.seed = 1});
  CHECK_EQ(drop(tape.constant(x)).value.to_vector(), x.to_vector());
  set_training(drop, true);
  CHECK_EQ(drop(Var(x)).value.to_vector(), x.to_vector());
  Tensor keep(Shape{4}, DType::u8);
  for (int i = 0; i < 4; ++i) {
    keep.data<uint8_t>()[i] = i % 2;
  }
  CHECK_EQ(drop(tape.constant(x), keep).value.to_vector(), std::vector<float>{0, 2, 0, 2});
}

TEST_CASE("Conv2d: bias, output shape and cost") {
  Conv2d conv(4, 6, 3, {.stride = 2, .pad = 1, .groups = 2, .bias = true});
  initialize(conv, 1);
  conv.bias->value = Tensor::full({6}, 100.0f);
  const Var y = conv(Var(Tensor::zeros({1, 5, 7, 4})));
  CHECK_EQ(y.shape(), conv.out({1, 5, 7, 4}));
  CHECK_EQ(y.value.to_vector(), std::vector<float>(1 * 3 * 4 * 6, 100.0f));
  CHECK_EQ(conv.macs({1, 5, 7, 4}), 3 * 4 * 6 * 9 * 2);
  CHECK_ERROR(Error, "Conv2d: 4 and 7 channels do not divide into 2 groups",
              Conv2d(4, 7, 3, {.groups = 2}));
}

}  // namespace
}  // namespace mld
