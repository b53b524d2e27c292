// Rows of the ops that move values or work element by element.
#include <doctest/doctest.h>

#include "core/kernels.h"
#include "core/normalize.h"
#include "tests/op_case.h"

namespace mld::test {
namespace {

OpCase unary(const std::string& name, const Input& x, Var (*ours)(const Var&), Act act) {
  return {name, {x}, [ours](auto& v) { return ours(v[0]); },
          [act](auto& a) { return spec::activation(a[0], {.kind = act}); }};
}

OpCase space_to_depth_row(const std::string& what, const Shape& x, int block) {
  return {"space_to_depth, " + what, {{x, uniform(-2, 2)}},
          [block](auto& v) { return space_to_depth(v[0], block); },
          [block](auto& a) { return spec::space_to_depth(a[0], block); }};
}

OpCase slice_tokens_row(const std::string& what, const Shape& x, int64_t begin, int64_t end) {
  return {"slice_tokens, " + what, {{x, uniform(-2, 2)}},
          [=](auto& v) { return slice_tokens(v[0], begin, end); },
          [=](auto& a) { return spec::slice_tokens(a[0], begin, end); }};
}

OpCase join_tokens_row(const std::string& what, const Shape& first, const Shape& second) {
  return {"join_tokens, " + what, {{first, uniform(-2, 2)}, {second, uniform(-2, 2)}},
          [](auto& v) { return join_tokens(v[0], v[1]); },
          [](auto& a) { return spec::join_tokens(a[0], a[1]); }};
}

std::vector<OpCase> movement_rows() {
  return {
      {"reshape", {{2, 3, 4}}, [](auto& v) { return reshape(v[0], {6, 4}); },
       [](auto& a) { return spec::reshape(a[0], {6, 4}); }},
      {"cast, to the same dtype", {f32({3, 5})}, [](auto& v) { return cast(v[0], DType::f32); },
       [](auto& a) { return a[0]; }},
      {"cast, to bfloat16", {f32({3, 5})}, [](auto& v) { return cast(v[0], DType::bf16); },
       [](auto& a) { return a[0]; }},
      {"cast, to float32", {{3, 5}}, [](auto& v) { return cast(v[0], DType::f32); },
       [](auto& a) { return a[0]; }},
      {"cast, many elements", {f32({40, 50})}, [](auto& v) { return cast(v[0], DType::bf16); },
       [](auto& a) { return a[0]; }},
      {"repeat_batch", {{3, 5}}, [](auto& v) { return repeat_batch(v[0], 4); },
       [](auto& a) { return spec::repeat_batch(a[0], 4); }},
      {"repeat_batch, one image, one row", {{1, 3}}, [](auto& v) { return repeat_batch(v[0], 1); },
       [](auto& a) { return spec::repeat_batch(a[0], 1); }},
      {"transpose", {{2, 3, 5}}, [](auto& v) { return transpose(v[0]); },
       [](auto& a) { return spec::transpose(a[0]); }},
      {"transpose, enough for several threads", {{4, 130, 140}},
       [](auto& v) { return transpose(v[0]); }, [](auto& a) { return spec::transpose(a[0]); }},
      {"transpose, more than a cache line", {{2, 33, 18}}, [](auto& v) { return transpose(v[0]); },
       [](auto& a) { return spec::transpose(a[0]); }},
      space_to_depth_row("the stem's", {2, 8, 12, 3}, 4),
      space_to_depth_row("one block, one channel", {1, 4, 4, 1}, 4),
      space_to_depth_row("blocks of one", {2, 3, 5, 2}, 1),
      space_to_depth_row("blocks of three, 8 channels", {2, 3, 6, 8}, 3),
      space_to_depth_row("enough for several threads", {3, 64, 60, 12}, 4),
      slice_tokens_row("the first", {3, 5, 7}, 0, 1),
      slice_tokens_row("all but the first", {2, 5, 16}, 1, 5),
      slice_tokens_row("from the middle, one picture", {1, 6, 3}, 2, 4),
      slice_tokens_row("all, enough for several threads", {6, 20, 264}, 0, 20),
      join_tokens_row("one before the others", {3, 1, 7}, {3, 4, 7}),
      join_tokens_row("whole accesses", {2, 3, 16}, {2, 2, 16}),
      join_tokens_row("enough for several threads", {6, 1, 264}, {6, 20, 264}),
      {"concat", {{2, 3, 4}, {5, 3, 4}}, [](auto& v) { return concat(v[0], v[1]); },
       [](auto& a) { return spec::concat(a[0], a[1], {7, 3, 4}); }},
      {"concat, vectors", {{3}, {1}}, [](auto& v) { return concat(v[0], v[1]); },
       [](auto& a) { return spec::concat(a[0], a[1], {4}); }},
      {"concat, twice the same", {{2, 3}}, [](auto& v) { return concat(v[0], v[0]); },
       [](auto& a) { return spec::concat(a[0], a[0], {4, 3}); }},
      {"rows", {{5, 3}}, [](auto& v) { return rows(v[0], 1, 3); },
       [](auto& a) { return spec::rows(a[0], 1, 3); }},
      {"rows, overlapping", {{4, 3}},
       [](auto& v) { return add(rows(v[0], 0, 3), rows(v[0], 1, 4)); },
       [](auto& a) { return spec::add(spec::rows(a[0], 0, 3), spec::rows(a[0], 1, 4)); }},
      {"add", {{3, 7}, {3, 7}}, [](auto& v) { return add(v[0], v[1]); },
       [](auto& a) { return spec::add(a[0], a[1]); }},
      {"add, one value twice", {{5}}, [](auto& v) { return add(v[0], v[0]); },
       [](auto& a) { return spec::scale(a[0], 2); }},
      {"scale", {{3, 7}}, [](auto& v) { return scale(v[0], -2.5f); },
       [](auto& a) { return spec::scale(a[0], -2.5); }},
      {"sum", {{3, 7, 2}}, [](auto& v) { return sum(v[0]); },
       [](auto& a) { return spec::sum(a[0]); }},
      {"sum, more than one block", {{1000}}, [](auto& v) { return sum(v[0]); },
       [](auto& a) { return spec::sum(a[0]); }},
      {"sum, enough for several threads", {{201, 505}}, [](auto& v) { return sum(v[0]); },
       [](auto& a) { return spec::sum(a[0]); }},
      {"add, enough for several threads", {{201, 505}, {201, 505}},
       [](auto& v) { return add(v[0], v[1]); }, [](auto& a) { return spec::add(a[0], a[1]); }},
      {"repeat_batch, enough for several threads", {{40, 50}},
       [](auto& v) { return repeat_batch(v[0], 30); },
       [](auto& a) { return spec::repeat_batch(a[0], 30); }},
      {"sum, one element", {{1}}, [](auto& v) { return sum(v[0]); },
       [](auto& a) { return spec::sum(a[0]); }},
      {"mean", {{5, 7}}, [](auto& v) { return mean(v[0]); },
       [](auto& a) { return spec::mean(a[0]); }},
  };
}

// On all three of relu6's pieces, at least 0.1 from its corners.
Input away_from_zero_and_six(const Shape& shape) {
  return {shape, [](RandomStream& random, int64_t i, const Shape&) {
            const double low[] = {-2, 0.1, 6.1}, high[] = {-0.1, 5.9, 8};
            return random.uniform(low[i % 3], high[i % 3]);
          }};
}

std::vector<OpCase> elementwise_rows() {
  const Shape odd{3, 1, 7};
  return {
      {"activation, identity", {{3, 5}}, [](auto& v) { return activation(v[0], {}); },
       [](auto& a) { return spec::activation(a[0], {}); }},
      unary("relu", away_from_zero(odd), relu, Act::relu),
      unary("relu, one element", {Shape{1}, uniform(0.5, 1)}, relu, Act::relu),
      unary("relu, enough for several threads", away_from_zero({330, 205}), relu, Act::relu),
      unary("gelu, enough for several threads", {330, 205}, gelu, Act::gelu),
      {"leaky_relu", {away_from_zero(odd)}, [](auto& v) { return leaky_relu(v[0], 0.2f); },
       [](auto& a) { return spec::activation(a[0], {.kind = Act::leaky_relu, .slope = 0.2f}); }},
      {"leaky_relu, TResNet's slope", {away_from_zero(odd)},
       [](auto& v) { return leaky_relu(v[0], 1e-3f); },
       [](auto& a) { return spec::activation(a[0], {.kind = Act::leaky_relu, .slope = 1e-3f}); }},
      unary("relu6", away_from_zero_and_six(odd), relu6, Act::relu6),
      unary("relu6, enough for several threads", away_from_zero_and_six({330, 205}), relu6,
            Act::relu6),
      unary("gelu", {3, 1, 7}, gelu, Act::gelu),
      unary("gelu, far from zero", {odd, uniform(-9, 9)}, gelu, Act::gelu),
      unary("quick_gelu", {3, 1, 7}, quick_gelu, Act::quick_gelu),
      unary("quick_gelu, far from zero", {odd, uniform(-40, 40)}, quick_gelu, Act::quick_gelu),
      unary("sigmoid", {3, 1, 7}, sigmoid, Act::sigmoid),
      unary("sigmoid, far from zero", {odd, uniform(-80, 80)}, sigmoid, Act::sigmoid),
      unary("softplus", {3, 1, 7}, softplus, Act::softplus),
      unary("softplus, far from zero", {odd, uniform(-80, 80)}, softplus, Act::softplus),
      unary("exponential", {3, 1, 7}, exponential, Act::exponential),
      unary("exponential, far from zero", {odd, uniform(-20, 5)}, exponential, Act::exponential),
      {"dropout, drawn mask", {{4, 9, 5}}, [](auto& v) { return dropout(v[0], 0.3f); },
       [](auto& a) { return spec::dropout(a[0], {.p = 0.3f, .key = kFirstDraw}); }},
      {"dropout, enough for several threads", {{201, 505}},
       [](auto& v) { return dropout(v[0], 0.3f); },
       [](auto& a) { return spec::dropout(a[0], {.p = 0.3f, .key = kFirstDraw}); }},
      {"dropout, two draws", {{3, 11}},
       [](auto& v) { return dropout(dropout(v[0], 0.2f), 0.4f); },
       [](auto& a) {
         RandomKey second = kFirstDraw;
         ++second.stream;
         return spec::dropout(spec::dropout(a[0], {.p = 0.2f, .key = kFirstDraw}),
                              {.p = 0.4f, .key = second});
       }},
      {"drop_path, drawn pictures", {{9, 3, 5}}, [](auto& v) { return drop_path(v[0], 0.4f); },
       [](auto& a) { return spec::drop_path(a[0], {.p = 0.4f, .key = kFirstDraw}); }},
      {"drop_path, enough for several threads", {{6, 8, 8, 131}},
       [](auto& v) { return drop_path(v[0], 0.3f); },
       [](auto& a) { return spec::drop_path(a[0], {.p = 0.3f, .key = kFirstDraw}); }},
      {"drop_path, one value a picture", {{13}}, [](auto& v) { return drop_path(v[0], 0.3f); },
       [](auto& a) { return spec::drop_path(a[0], {.p = 0.3f, .key = kFirstDraw}); }},
      {"drop_path, whole accesses", {{5, 2, 64}}, [](auto& v) { return drop_path(v[0], 0.3f); },
       [](auto& a) { return spec::drop_path(a[0], {.p = 0.3f, .key = kFirstDraw}); }},
      {"gaussian_noise", {{4, 9, 5}}, [](auto& v) { return gaussian_noise(v[0], 0.3f); },
       [](auto& a) { return spec::gaussian_noise(a[0], {.std = 0.3f, .key = kFirstDraw}); }},
      {"gaussian_noise, enough for several threads", {{31, 505}},
       [](auto& v) { return gaussian_noise(v[0], 2); },
       [](auto& a) { return spec::gaussian_noise(a[0], {.std = 2, .key = kFirstDraw}); }},
      {"gaussian_noise, std = 0 is the identity", {{2, 3}},
       [](auto& v) { return gaussian_noise(v[0], 0); }, [](auto& a) { return a[0]; }},
      {"dropout, p = 0 is the identity", {{2, 3}}, [](auto& v) { return dropout(v[0], 0); },
       [](auto& a) { return a[0]; }},
  };
}

}  // namespace

TEST_CASE("movement: forward and gradients") { check_rows(movement_rows()); }
TEST_CASE("movement: planted errors are noticed") { check_planted_errors(movement_rows()); }
TEST_CASE("elementwise: forward and gradients") { check_rows(elementwise_rows()); }
TEST_CASE("elementwise: planted errors are noticed") { check_planted_errors(elementwise_rows()); }

TEST_CASE("cast rounds to nearest, ties to even, and keeps what is not finite") {
  const float inf = std::numeric_limits<float>::infinity();
  // 1 + 2^-8 lies between 1 and 1 + 2^-7, 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6.
  const std::vector<float> in = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -1 - 0x1.01p-8f, 3.4e38f, inf, -inf};
  const std::vector<float> out = {1, 1 + 0x1p-6f, -1 - 0x1p-7f, inf, inf, -inf};
  CHECK(cast(Var(Tensor::from({6}, in)), DType::bf16).value.to_vector() == out);
  const std::vector<float> nan = {std::nanf("")};
  CHECK(std::isnan(cast(Var(Tensor::from({1}, nan)), DType::bf16).value.to_vector()[0]));
}

TEST_CASE("dropout without a tape does nothing, with one it keeps about 1 - p") {
  const Tensor ones = Tensor::full({100, 100}, 1);
  CHECK(dropout(Var(ones), 0.9f).value.storage() == ones.storage());
  Tape tape({.seed = 1});
  double kept = 0;
  for (const float value : dropout(tape.constant(ones), 0.25f).value.to_vector()) {
    REQUIRE((value == 0 || value == 1 / 0.75f));
    kept += value != 0;
  }
  CHECK(kept / 1e4 == doctest::Approx(0.75).epsilon(0.02));
}

TEST_CASE("at zero the slope of relu is 0 and of leaky_relu its own, as in PyTorch") {
  for (const Device device : devices()) {
    const Tensor x = Tensor::zeros({1}, DType::f32, device);
    const Tensor dy = Tensor::full({1}, 2, DType::f32, device);
    Tensor dx = x.like();
    KERNEL(device, activation_backward)(dy, x, {.kind = Act::relu}, dx);
    CHECK(dx.item() == 0);
    KERNEL(device, activation_backward)(dy, x, {.kind = Act::leaky_relu, .slope = 0.25f}, dx);
    CHECK(dx.item() == 0.5);
    for (const float corner : {0.0f, 6.0f}) {
      const Tensor at = Tensor::full({1}, corner, DType::f32, device);
      KERNEL(device, activation_backward)(dy, at, {.kind = Act::relu6}, dx);
      CHECK(dx.item() == 0);
    }
  }
}

TEST_CASE("normalize_images: each channel with its own mean and deviation") {
  for (const Device device : devices()) {
    Tensor pixels({1, 1, 1, 3}, DType::u8), y({1, 1, 1, 3}, DType::f32, device);
    for (int c = 0; c < 3; ++c) {
      pixels.data<uint8_t>()[c] = static_cast<uint8_t>(51 * (c + 1));
    }
    KERNEL(device, normalize_images)(pixels.to(device), image_norm(Normalize::imagenet), y);
    const std::vector<float> ours = y.to(Device{}).to_vector();
    CHECK(ours[0] == doctest::Approx((0.2 - 0.485) / 0.229).epsilon(1e-5));
    CHECK(ours[1] == doctest::Approx((0.4 - 0.456) / 0.224).epsilon(1e-5));
    CHECK(ours[2] == doctest::Approx((0.6 - 0.406) / 0.225).epsilon(1e-5));
    KERNEL(device, normalize_images)(pixels.to(device), image_norm(Normalize::inception), y);
    CHECK(y.to(Device{}).to_vector()[1] == doctest::Approx((0.4 - 0.5) / 0.5).epsilon(1e-5));
  }
}

}  // namespace mld::test
