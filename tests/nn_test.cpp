// Modules and the way values get into and out of them.
#include <array>
#include <cmath>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "core/parallel.h"
#include "nn/attention.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "reference.h"

namespace mld {
namespace {

// Two levels, every kind of member.
struct Inner : Module {
  Conv2d conv{4, 6, 3, {.stride = 2, .pad = 1, .groups = 2}, true};
  BatchNorm2d norm{6};
  void each(Visitor& v) override {
    v("conv", conv);
    v("norm", norm);
  }
};
struct Outer : Module {
  Inner inner;
  std::vector<std::unique_ptr<Linear>> layers;
  Outer() {
    layers.push_back(std::make_unique<Linear>(3, 2, true));
    layers.push_back(std::make_unique<Linear>(2, 1, false));
  }
  LayerNorm unnamed{2};
  void each(Visitor& v) override {
    v("inner", inner);
    v("layers", layers);
    v("", unnamed);
  }
};

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
              (*model.layers[0])(Var(Tensor::zeros({1, 3}))));
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
  CHECK_EQ(conv[1], test::relative(std::sqrt(2.0 / (64 * 9)), 0.03));
  CHECK_LT(std::abs(conv[0]), 4 * conv[1] / std::sqrt(18432.0));
  CHECK_GT(conv[2], 3.3 * conv[1]);  // a normal has tails, a uniform has none
  const std::vector<float> w = parts.conv.weight.value.to_vector();
  double next = 0;  // a value tells nothing of the one after it
  for (size_t i = 0; i + 1 < w.size(); i += 2) {
    next += double{w[i]} * w[i + 1];
  }
  CHECK_LT(std::abs(next), 4 * conv[1] * conv[1] * std::sqrt(18432.0 / 2));
  const auto linear = moments(parts.a.weight.value);  // U(+-1/20), 120,000 values
  CHECK_EQ(linear[1], test::relative(0.05 / std::sqrt(3.0), 0.01));
  CHECK_LE(linear[2], 0.05);
  CHECK_GT(linear[2], 0.0499);
  CHECK_LE(moments(parts.a.bias->value)[2], 0.05);
  CHECK_EQ(moments(parts.attention.in_proj_weight.value)[2],
           test::relative(std::sqrt(6.0 / (4 * 64)), 0.01));
  CHECK_EQ(moments(parts.attention.out_proj.weight.value)[2], test::relative(0.125, 0.01));
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

}  // namespace
}  // namespace mld
