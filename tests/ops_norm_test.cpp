// Rows of the normalisations.
#include <doctest/doctest.h>

#include "core/kernels.h"
#include "tests/op_case.h"

namespace mld::test {
namespace {

// Inputs: x, w, b, running mean and variance [, residual]. Running values are cloned because
// training updates them.
OpCase batch_norm_row(const std::string& what, const Shape& x, const BatchNormSpec& s,
                      bool residual = false) {
  const Shape C{x[3]};
  const Fill scale = s.act.kind == Act::relu6 ? uniform(3, 6) : uniform(-2, 2);  // beyond 6
  OpCase row{"batch_norm, " + what,
             {{x, uniform(-1, 3)}, f32(C, scale), f32(C), f32(C).constant(),
              f32(C, uniform(0.5, 2)).constant()},
             [s](auto& v) {
               const Tensor mean = v[3].value.clone(), var = v[4].value.clone();
               return batch_norm(v[0], v[1], v[2], mean, var, s, v.size() > 5 ? v[5] : Var());
             },
             [s](auto& a) {
               Array z = spec::batch_norm(a[0], a[1], a[2], a[3], a[4], s);
               return spec::activation(a.size() > 5 ? spec::add(z, a[5]) : z, s.act);
             }};
  if (residual) {
    row.inputs.emplace_back(x, uniform(-2, 2));
  }
  return row;
}

std::vector<OpCase> batch_norm_rows() {
  const ActivationSpec relu{.kind = Act::relu}, leaky{.kind = Act::leaky_relu, .slope = 1e-2f};
  const ActivationSpec relu6{.kind = Act::relu6};
  return {
      batch_norm_row("plain", {2, 3, 4, 5}, {}),
      batch_norm_row("one pixel", {4, 1, 1, 3}, {}),
      batch_norm_row("one image, one channel", {1, 3, 5, 1}, {}),
      batch_norm_row("16 channels", {2, 3, 2, 16}, {}),
      batch_norm_row("many pixels", {1, 17, 19, 3}, {}),
      batch_norm_row("more channels than a block", {2, 2, 2, 70}, {}),
      batch_norm_row("enough for several threads", {4, 40, 41, 12}, {}),
      batch_norm_row("residual, relu, enough for several threads", {4, 40, 41, 12}, {.act = relu},
                     true),
      batch_norm_row("large eps", {2, 3, 3, 4}, {.eps = 0.5f}),
      batch_norm_row("relu", {2, 3, 4, 5}, {.act = relu}),
      batch_norm_row("leaky relu", {2, 3, 4, 5}, {.act = leaky}),
      batch_norm_row("relu6", {2, 3, 4, 5}, {.act = relu6}),
      batch_norm_row("relu6, 16 channels", {2, 3, 2, 16}, {.act = relu6}),
      batch_norm_row("residual, relu6", {2, 3, 4, 5}, {.act = relu6}, true),
      batch_norm_row("running statistics, relu6", {2, 3, 4, 5}, {.training = false, .act = relu6}),
      batch_norm_row("residual", {2, 3, 4, 5}, {}, true),
      batch_norm_row("residual, relu", {2, 3, 4, 5}, {.act = relu}, true),
      batch_norm_row("residual, leaky relu, one channel", {3, 2, 3, 1}, {.act = leaky}, true),
      batch_norm_row("scale |w| + eps", {2, 3, 4, 9}, {.abs_scale = true}),
      batch_norm_row("scale |w| + eps, large eps", {2, 3, 4, 9}, {.eps = 0.5f, .abs_scale = true}),
      batch_norm_row("scale |w| + eps, leaky relu, enough for several threads", {4, 40, 41, 12},
                     {.act = leaky, .abs_scale = true}),
      batch_norm_row("scale |w| + eps, running statistics, residual, relu", {2, 3, 4, 9},
                     {.training = false, .act = relu, .abs_scale = true}, true),
      batch_norm_row("running statistics", {2, 3, 4, 5}, {.training = false}),
      batch_norm_row("running statistics, one pixel", {1, 1, 1, 3}, {.training = false}),
      batch_norm_row("running statistics, relu", {2, 3, 4, 5}, {.training = false, .act = relu}),
      batch_norm_row("running statistics, residual, relu", {2, 3, 4, 5},
                     {.training = false, .act = relu}, true),
  };
}

OpCase layer_norm_row(const std::string& what, const Shape& x, const LayerNormSpec& s = {}) {
  const Shape C{x[-1]};
  return {"layer_norm, " + what, {{x, uniform(-1, 3)}, f32(C), f32(C)},
          [s](auto& v) { return layer_norm(v[0], v[1], v[2], s); },
          [s](auto& a) { return spec::layer_norm(a[0], a[1], a[2], s); }};
}

std::vector<OpCase> row_norm_rows() {
  return {
      layer_norm_row("three dimensions", {2, 3, 8}),
      layer_norm_row("one row", {1, 768}),
      layer_norm_row("one row without a batch", {9}),
      layer_norm_row("odd size", {5, 7}),
      layer_norm_row("many rows", {150, 3}),
      layer_norm_row("enough for several threads", {700, 97}),
      layer_norm_row("large eps", {4, 6}, {.eps = 0.5f}),
      {"layer_norm, no affine map", {{2, 3, 8}}, [](auto& v) { return layer_norm(v[0]); },
       [](auto& a) { return spec::layer_norm(a[0]); }},
      {"l2_normalize", {{3, 7}}, [](auto& v) { return l2_normalize(v[0]); },
       [](auto& a) { return spec::l2_normalize(a[0]); }},
      {"l2_normalize, three dimensions", {{2, 3, 5}}, [](auto& v) { return l2_normalize(v[0]); },
       [](auto& a) { return spec::l2_normalize(a[0]); }},
      {"l2_normalize, enough for several threads", {{700, 97}},
       [](auto& v) { return l2_normalize(v[0]); },
       [](auto& a) { return spec::l2_normalize(a[0]); }},
      {"l2_normalize, long rows", {{2, 300}}, [](auto& v) { return l2_normalize(v[0]); },
       [](auto& a) { return spec::l2_normalize(a[0]); }},
  };
}

}  // namespace

TEST_CASE("batch norm: forward and gradients") { check_rows(batch_norm_rows()); }
TEST_CASE("batch norm: planted errors are noticed") { check_planted_errors(batch_norm_rows()); }
TEST_CASE("row norms: forward and gradients") { check_rows(row_norm_rows()); }
TEST_CASE("row norms: planted errors are noticed") { check_planted_errors(row_norm_rows()); }

TEST_CASE("batch norm updates its running statistics in training only") {
  const std::vector<float> pixels = {1, 2, 3, 6};  // mean 3, unbiased variance 14 / 3
  const Tensor x = Tensor::from({4, 1, 1, 1}, pixels);
  const Var w(Tensor::full({1}, 1)), b(Tensor::zeros({1}));
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Tensor mean = Tensor::full({1}, 1), var = Tensor::full({1}, 2);
    batch_norm(cast(Var(x), dtype), w, b, mean, var, {.momentum = 0.25f});
    CHECK(mean.item() == doctest::Approx(0.75 * 1 + 0.25 * 3));
    CHECK(var.item() == doctest::Approx(0.75 * 2 + 0.25 * 14 / 3));
    const float mean_before = mean.item(), var_before = var.item();
    batch_norm(cast(Var(x), dtype), w, b, mean, var, {.training = false});
    CHECK(mean.item() == mean_before);
    CHECK(var.item() == var_before);
  }
}

TEST_CASE("a scale of |w| + eps is eps at w = 0, where its derivative is +1") {
  for (const Device device : devices()) {
    const auto on_device = [&](const std::vector<float>& values) {
      return Tensor::from({static_cast<int64_t>(values.size())}, values).to(device);
    };
    Tape tape;
    const Tensor x = on_device({1, 1, 1, 3, 3, 3}).reshape({2, 1, 1, 3});  // -1 and 1, normalised
    const Var w = tape.variable(on_device({0.0f, -0.0f, -2.0f}));
    const Var b = tape.variable(on_device({0, 0, 0}));
    Tensor mean = on_device({0, 0, 0}), var = on_device({1, 1, 1});
    const Var y = batch_norm(tape.constant(x), w, b, mean, var,
                             {.eps = 1e-5f, .abs_scale = true});
    const std::vector<float> out = y.value.to(Device{}).to_vector();
    CHECK(out[0] * 1e5f == doctest::Approx(-1).epsilon(1e-4));
    CHECK(out[2] == doctest::Approx(-2).epsilon(1e-4));
    tape.backward(y, on_device({0, 0, 0, 1, 1, 1}).reshape({2, 1, 1, 3}));
    const std::vector<float> dw = tape.grad(w).to(Device{}).to_vector();
    CHECK(dw[0] == doctest::Approx(1).epsilon(1e-4));
    CHECK(dw[1] == doctest::Approx(1).epsilon(1e-4));  // a zero's sign does not matter
    CHECK(dw[2] == doctest::Approx(-1).epsilon(1e-4));
  }
}

TEST_CASE("a row of zeros has no direction: l2_normalize gives zeros and no NaN") {
  Tape tape;
  const Var x = tape.variable(Tensor::zeros({1, 4}));
  const Var y = l2_normalize(x);
  CHECK(y.value.to_vector() == std::vector<float>(4, 0.0f));
}

TEST_CASE("l2_normalize: below the smallest norm it is a multiplication, gradient included") {
  for (const Device device : devices()) {
    const Tensor x = Tensor::from({1, 2}, std::vector<float>{3e-13f, 4e-13f}).to(device);
    const Tensor dy = Tensor::from({1, 2}, std::vector<float>{2, -1}).to(device);
    Tensor norm({1}, DType::f32, device), y = x.like(), dx = x.like();
    KERNEL(device, l2_normalize_forward)(x, norm, y);
    KERNEL(device, l2_normalize_backward)(dy, y, norm, dx);
    CHECK(y.to(Device{}).to_vector()[0] == doctest::Approx(0.3).epsilon(1e-5));
    CHECK(dx.to(Device{}).to_vector()[0] == doctest::Approx(2e12).epsilon(1e-5));
    CHECK(dx.to(Device{}).to_vector()[1] == doctest::Approx(-1e12).epsilon(1e-5));
  }
}

}  // namespace mld::test
