// Rows of the convolutions.
#include <doctest/doctest.h>

#include "tests/op_case.h"

namespace mld::test {
namespace {

OpCase conv(const std::string& what, const Shape& x, const Shape& w, const Conv2dSpec& s = {}) {
  return {"conv2d, " + what, {{x, uniform(-1, 1)}, {w, uniform(-1, 1)}},
          [s](auto& v) { return conv2d(v[0], v[1], s); },
          [s](auto& a) { return spec::conv2d(a[0], a[1], s); }};
}

OpCase conv_bias(const std::string& what, const Shape& x, const Shape& w,
                 const Conv2dSpec& s = {}) {
  return {"conv2d, bias, " + what, {{x, uniform(-1, 1)}, {w, uniform(-1, 1)}, f32({w[0]})},
          [s](auto& v) { return conv2d(v[0], v[1], v[2], s); },
          [s](auto& a) { return spec::add_bias(spec::conv2d(a[0], a[1], s), a[2]); }};
}

OpCase depthwise(const std::string& what, const Shape& x, int kernel, Conv2dSpec s = {}) {
  s.groups = static_cast<int>(x[3]);
  return conv("depthwise, " + what, x, {x[3], kernel, kernel, 1}, s);
}

// Kernel sides, strides and paddings in all the combinations that kernels tell apart.
std::vector<OpCase> depthwise_rows() {
  return {
      depthwise("three channels", {1, 5, 4, 3}, 3, {.pad = 1}),
      depthwise("eleven channels, 5x5", {1, 6, 5, 11}, 5, {.stride = 2, .same = true}),
      depthwise("8 channels, no padding", {1, 5, 4, 8}, 3),
      depthwise("8 channels, padded on all sides", {1, 4, 5, 8}, 3, {.pad = 2}),
      depthwise("16 channels, 5x5", {1, 6, 5, 16}, 5, {.same = true}),
      depthwise("stride 2, padding 0", {1, 8, 7, 8}, 3, {.stride = 2}),
      depthwise("stride 2, padding 1", {1, 8, 7, 8}, 3, {.stride = 2, .pad = 1}),
      depthwise("5x5, stride 2, padding 1", {1, 8, 7, 8}, 5, {.stride = 2, .pad = 1}),
      depthwise("5x5, stride 2, padding 2", {1, 8, 7, 8}, 5, {.stride = 2, .pad = 2}),
      depthwise("5x5, stride 2, same padding", {2, 6, 7, 16}, 5, {.stride = 2, .same = true}),
      depthwise("picture smaller than the kernel", {2, 1, 2, 8}, 5, {.stride = 2, .same = true}),
      depthwise("stride 3", {1, 7, 8, 8}, 3, {.stride = 3, .pad = 1}),
      depthwise("stride beyond the kernel", {1, 7, 8, 8}, 2, {.stride = 3}),
      depthwise("dilation 2", {1, 7, 6, 8}, 3, {.pad = 2, .dilation = 2}),
      depthwise("many columns and rows", {1, 19, 35, 8}, 3, {.same = true}),
      depthwise("more channels than a block", {1, 5, 6, 264}, 5, {.stride = 2, .same = true}),
      depthwise("enough for several threads", {2, 23, 22, 40}, 5, {.same = true}),
  };
}

std::vector<OpCase> conv_rows() {
  return {
      conv("one pixel, one channel", {1, 1, 1, 1}, {1, 1, 1, 1}),
      conv("one pixel, 3x3", {1, 1, 1, 2}, {3, 3, 3, 2}, {.pad = 1}),
      conv("1x1", {2, 3, 3, 5}, {7, 1, 1, 5}),
      conv("1x1, stride 2, pixels left over", {2, 5, 4, 6}, {3, 1, 1, 6}, {.stride = 2}),
      conv("1x1, padded", {1, 2, 3, 2}, {2, 1, 1, 2}, {.pad = 1}),
      conv("1x1, wide", {2, 7, 7, 32}, {24, 1, 1, 32}),
      conv("3x3", {2, 5, 6, 3}, {4, 3, 3, 3}, {.pad = 1}),
      conv("3x3, no padding", {1, 5, 4, 2}, {3, 3, 3, 2}),
      conv("3x3, stride 2, odd size", {2, 7, 5, 3}, {4, 3, 3, 3}, {.stride = 2, .pad = 1}),
      conv("3x3, stride 2, even size", {1, 6, 8, 3}, {4, 3, 3, 3}, {.stride = 2, .pad = 1}),
      conv("3x3, wide", {1, 6, 6, 16}, {16, 3, 3, 16}, {.pad = 1}),
      conv("3x3, channels not a multiple of eight", {1, 5, 5, 19}, {13, 3, 3, 19}, {.pad = 1}),
      conv("3x3, many pixels", {2, 9, 11, 32}, {32, 3, 3, 32}, {.pad = 1}),
      conv("3x3, enough for several threads", {2, 23, 22, 16}, {16, 3, 3, 16}, {.pad = 1}),
      conv("1x1, enough for several threads", {2, 24, 22, 16}, {40, 1, 1, 16}),
      conv("3x3, padding as wide as the kernel", {1, 3, 4, 2}, {2, 3, 3, 2}, {.pad = 3}),
      conv("7x7 stem", {1, 9, 8, 3}, {5, 7, 7, 3}, {.stride = 2, .pad = 3}),
      conv("5x3 kernel", {1, 7, 6, 2}, {3, 5, 3, 2}, {.pad = 1}),
      conv("stride beyond the kernel", {1, 7, 8, 2}, {3, 2, 2, 2}, {.stride = 3}),
      conv("4x4, stride 4, patches", {1, 8, 9, 3}, {5, 4, 4, 3}, {.stride = 4}),
      conv("dilation 2", {1, 7, 6, 2}, {3, 3, 3, 2}, {.pad = 2, .dilation = 2}),
      conv("dilation 3, stride 2", {1, 9, 8, 2}, {3, 3, 3, 2},
           {.stride = 2, .pad = 3, .dilation = 3}),
      conv("same padding, uneven on one axis", {2, 5, 6, 3}, {4, 3, 3, 3},
           {.stride = 2, .same = true}),
      conv("same padding, 5x5, stride 2", {1, 8, 7, 2}, {3, 5, 5, 2}, {.stride = 2, .same = true}),
      conv("same padding, stride 1", {1, 5, 4, 3}, {4, 3, 3, 3}, {.same = true}),
      conv("same padding, even kernel", {1, 5, 4, 3}, {2, 4, 2, 3}, {.same = true}),
      conv("same padding, dilation 2", {1, 7, 6, 2}, {3, 3, 3, 2}, {.dilation = 2, .same = true}),
      conv("same padding, smaller than the kernel", {2, 1, 2, 3}, {2, 5, 5, 3},
           {.stride = 2, .same = true}),
      conv("same padding, stride beyond the kernel", {1, 7, 8, 2}, {3, 2, 2, 2},
           {.stride = 3, .same = true}),
      conv("two groups", {2, 4, 5, 6}, {4, 3, 3, 3}, {.pad = 1, .groups = 2}),
      conv("two groups, 1x1", {2, 4, 5, 6}, {4, 1, 1, 3}, {.groups = 2}),
      conv("depthwise", {1, 5, 5, 5}, {5, 3, 3, 1}, {.pad = 1, .groups = 5}),
      conv("depthwise, 16 channels, stride 2", {1, 6, 5, 16}, {16, 3, 3, 1},
           {.stride = 2, .pad = 1, .groups = 16}),
      conv("depthwise, two outputs a channel", {1, 5, 4, 3}, {6, 3, 3, 1}, {.pad = 1, .groups = 3}),
      conv("depthwise, same padding, stride 2", {2, 6, 5, 16}, {16, 5, 5, 1},
           {.stride = 2, .groups = 16, .same = true}),
      conv_bias("one pixel, one channel", {1, 1, 1, 1}, {1, 1, 1, 1}),
      conv_bias("1x1", {2, 3, 3, 5}, {7, 1, 1, 5}),
      conv_bias("3x3, stride 2", {2, 5, 6, 3}, {4, 3, 3, 3}, {.stride = 2, .pad = 1}),
      conv_bias("depthwise", {1, 5, 5, 5}, {5, 3, 3, 1}, {.pad = 1, .groups = 5}),
  };
}

// The residual has the shape of y [N, OH, OW, O].
OpCase fused(const std::string& what, const Shape& x, const Shape& w, const Shape& y,
             const Conv2dSpec& s) {
  const auto inputs = [](const Shape& shape) { return Input(shape, uniform(-1, 1)).constant(); };
  return {"conv2d_fused, " + what, {inputs(x), inputs(w), f32({w[0]}).constant(), inputs(y)},
          [s](auto& v) { return conv2d_fused(v[0], v[1], v[2], v[3], s); },
          [s](auto& a) {
            return spec::activation(
                spec::add(spec::add_bias(spec::conv2d(a[0], a[1], s), a[2]), a[3]), s.act);
          }};
}

std::vector<OpCase> fused_rows() {
  const ActivationSpec relu{.kind = Act::relu}, leaky{.kind = Act::leaky_relu, .slope = 0.1f};
  const ActivationSpec relu6{.kind = Act::relu6};
  const auto input = [](const Shape& shape) { return Input(shape, uniform(-1, 1)).constant(); };
  return {
      fused("relu", {2, 5, 6, 3}, {4, 3, 3, 3}, {2, 5, 6, 4}, {.pad = 1, .act = relu}),
      fused("1x1, relu", {2, 3, 3, 16}, {24, 1, 1, 16}, {2, 3, 3, 24}, {.act = relu}),
      fused("1x1, stride 2", {2, 5, 4, 6}, {3, 1, 1, 6}, {2, 3, 2, 3}, {.stride = 2, .act = relu}),
      fused("leaky relu", {1, 5, 5, 2}, {3, 3, 3, 2}, {1, 3, 3, 3},
            {.stride = 2, .pad = 1, .act = leaky}),
      fused("relu6, sums beyond 6", {1, 5, 6, 32}, {4, 3, 3, 32}, {1, 5, 6, 4},
            {.pad = 1, .act = relu6}),
      fused("no activation", {1, 4, 4, 2}, {3, 3, 3, 2}, {1, 4, 4, 3}, {.pad = 1}),
      fused("depthwise", {1, 5, 5, 5}, {5, 3, 3, 1}, {1, 5, 5, 5},
            {.pad = 1, .groups = 5, .act = relu}),
      fused("same padding, relu6", {1, 6, 5, 3}, {4, 3, 3, 3}, {1, 3, 3, 4},
            {.stride = 2, .same = true, .act = relu6}),
      fused("depthwise, 16 channels, relu6", {1, 5, 6, 16}, {16, 5, 5, 1}, {1, 3, 3, 16},
            {.stride = 2, .groups = 16, .same = true, .act = relu6}),
      {"conv2d_fused, bias and relu only", {input({1, 4, 5, 3}), input({4, 3, 3, 3}),
                                            f32({4}).constant()},
       [=](auto& v) { return conv2d_fused(v[0], v[1], v[2], Var(), {.pad = 1, .act = relu}); },
       [=](auto& a) {
         return spec::activation(spec::add_bias(spec::conv2d(a[0], a[1], {.pad = 1}), a[2]), relu);
       }},
      {"conv2d_fused, residual only",
       {input({1, 4, 5, 3}), input({4, 1, 1, 3}), input({1, 4, 5, 4})},
       [](auto& v) { return conv2d_fused(v[0], v[1], Var(), v[2], {}); },
       [](auto& a) { return spec::add(spec::conv2d(a[0], a[1], {}), a[2]); }},
      {"conv2d_fused, nothing to fuse", {input({1, 4, 5, 3}), input({4, 1, 1, 3})},
       [](auto& v) { return conv2d_fused(v[0], v[1], Var(), Var(), {}); },
       [](auto& a) { return spec::conv2d(a[0], a[1], {}); }},
  };
}

}  // namespace

TEST_CASE("convolution: forward and gradients") { check_rows(conv_rows()); }
TEST_CASE("convolution: planted errors are noticed") { check_planted_errors(conv_rows()); }
TEST_CASE("depthwise convolution: forward and gradients") { check_rows(depthwise_rows()); }
TEST_CASE("depthwise convolution: planted errors are noticed") {
  check_planted_errors(depthwise_rows());
}
TEST_CASE("fused convolution: forward") { check_rows(fused_rows()); }
TEST_CASE("fused convolution: planted errors are noticed") { check_planted_errors(fused_rows()); }

TEST_CASE("a constant weight, packed once, gives the same result every time") {
  Tensor w = Tensor::full({8, 3, 3, 8}, 0.5f);
  const Tensor x = Tensor::full({1, 6, 6, 8}, 0.25f);
  const auto run = [&] {
    return conv2d_fused(Var(x), Var(w), Var(), Var(), {.pad = 1}).value.to_vector();
  };
  const std::vector<float> packed_each_time = run();
  w.storage()->constant = true;
  CHECK(run() == packed_each_time);
  CHECK(run() == packed_each_time);
}

}  // namespace mld::test
