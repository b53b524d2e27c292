// Rows of the poolings and of channel scaling.
#include <cmath>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "tests/op_case.h"

namespace mld::test {
namespace {

OpCase max_row(const std::string& what, const Shape& x, const PoolSpec& s) {
  return {"max_pool, " + what, {distinct(x)}, [s](auto& v) { return max_pool(v[0], s); },
          [s](auto& a) { return spec::max_pool(a[0], s); }};
}

OpCase avg_row(const std::string& what, const Shape& x, const PoolSpec& s) {
  return {"avg_pool, " + what, {{x, uniform(-2, 2)}}, [s](auto& v) { return avg_pool(v[0], s); },
          [s](auto& a) { return spec::avg_pool(a[0], s); }};
}

OpCase blur_row(const std::string& what, const Shape& x) {
  return {"blur_pool, " + what, {{x, uniform(-2, 2)}}, [](auto& v) { return blur_pool(v[0]); },
          [](auto& a) { return spec::blur_pool(a[0]); }};
}

std::vector<OpCase> blur_rows() {
  return {
      blur_row("even sides", {2, 6, 8, 3}),      blur_row("odd sides", {2, 7, 9, 3}),
      blur_row("odd height", {1, 5, 4, 2}),      blur_row("odd width", {1, 4, 7, 1}),
      blur_row("two pixels", {3, 2, 2, 5}),      blur_row("three pixels", {2, 3, 3, 4}),
      blur_row("16 channels", {1, 4, 5, 16}),    blur_row("19 channels", {2, 4, 3, 19}),
      blur_row("enough for several threads", {4, 57, 30, 24}),
  };
}

// The same windows for both kinds.
template <class Row>
std::vector<OpCase> window_rows(Row row) {
  return {
      row("one pixel", {1, 1, 1, 3}, {.kernel = 1, .stride = 1}),
      row("2x2", {2, 4, 6, 3}, {}),
      row("2x2, pixels left over", {1, 5, 7, 2}, {}),
      row("2x2, one channel, ceil mode", {1, 5, 7, 1}, {.ceil_mode = true}),
      row("3x3, stride 2, the stem's", {1, 7, 8, 3}, {.kernel = 3, .stride = 2, .pad = 1}),
      row("3x3, stride 1, overlapping", {1, 5, 4, 3}, {.kernel = 3, .stride = 1, .pad = 1}),
      row("3x3, stride 2, ceil mode", {2, 6, 5, 2},
          {.kernel = 3, .stride = 2, .pad = 1, .ceil_mode = true}),
      row("stride beyond the window, ceil mode", {1, 6, 9, 2},
          {.kernel = 2, .stride = 4, .ceil_mode = true}),
      row("the whole picture", {2, 4, 4, 5}, {.kernel = 4, .stride = 4}),
      row("16 channels", {1, 4, 4, 16}, {.kernel = 2, .stride = 2}),
  };
}

// In float32, where random values are never equal, and large enough for several threads.
std::vector<OpCase> large_rows() {
  const PoolSpec stem{.kernel = 3, .stride = 2, .pad = 1};
  OpCase largest = max_row("enough for several threads", {1, 1, 1, 1}, stem);
  largest.inputs = {f32({3, 41, 40, 16})};
  return {largest, avg_row("enough for several threads", {3, 41, 40, 16}, stem)};
}

std::vector<OpCase> channel_rows() {
  return {
      {"mean_tokens", {{2, 5, 3}}, [](auto& v) { return mean_tokens(v[0]); },
       [](auto& a) { return spec::mean_tokens(a[0]); }},
      {"mean_tokens, one token", {{2, 1, 3}}, [](auto& v) { return mean_tokens(v[0]); },
       [](auto& a) { return spec::mean_tokens(a[0]); }},
      {"mean_tokens, many", {{1, 49, 70}}, [](auto& v) { return mean_tokens(v[0]); },
       [](auto& a) { return spec::mean_tokens(a[0]); }},
      {"global_avg_pool", {{2, 3, 4, 5}}, [](auto& v) { return global_avg_pool(v[0]); },
       [](auto& a) {
         return spec::reshape(spec::mean_tokens(spec::reshape(a[0], {2, 12, 5})), {2, 1, 1, 5});
       }},
      {"global_avg_pool, one pixel, one channel", {{1, 1, 1, 1}},
       [](auto& v) { return global_avg_pool(v[0]); }, [](auto& a) { return a[0]; }},
      {"variance_tokens", {{2, 5, 3}}, [](auto& v) { return variance_tokens(v[0]); },
       [](auto& a) { return spec::variance_tokens(a[0]); }},
      {"variance_tokens, enough for several threads", {{8, 49, 200}},
       [](auto& v) { return variance_tokens(v[0]); },
       [](auto& a) { return spec::variance_tokens(a[0]); }},
      {"variance_tokens, two tokens, one channel", {{3, 2, 1}},
       [](auto& v) { return variance_tokens(v[0]); },
       [](auto& a) { return spec::variance_tokens(a[0]); }},
      {"variance_tokens, far from zero", {{{1, 9, 4}, uniform(29, 31)}},
       [](auto& v) { return variance_tokens(v[0]); },
       [](auto& a) { return spec::variance_tokens(a[0]); }},
      {"max_tokens", {distinct({2, 5, 3})}, [](auto& v) { return max_tokens(v[0]); },
       [](auto& a) { return spec::max_tokens(a[0]); }},
      {"max_tokens, one token", {{2, 1, 3}}, [](auto& v) { return max_tokens(v[0]); },
       [](auto& a) { return spec::max_tokens(a[0]); }},
      {"max_tokens, one channel", {distinct({3, 7, 1})}, [](auto& v) { return max_tokens(v[0]); },
       [](auto& a) { return spec::max_tokens(a[0]); }},
      {"max_tokens, enough for several threads", {f32({32, 7, 300})},
       [](auto& v) { return max_tokens(v[0]); }, [](auto& a) { return spec::max_tokens(a[0]); }},
      {"scale_channels", {{2, 3, 4, 5}, {2, 1, 1, 5}},
       [](auto& v) { return scale_channels(v[0], v[1]); },
       [](auto& a) { return spec::scale_channels(a[0], a[1]); }},
      {"scale_channels, one pixel, one channel", {{1, 1, 1, 1}, {1, 1, 1, 1}},
       [](auto& v) { return scale_channels(v[0], v[1]); },
       [](auto& a) { return spec::scale_channels(a[0], a[1]); }},
      {"mean_tokens, enough for several threads", {{8, 49, 200}},
       [](auto& v) { return mean_tokens(v[0]); }, [](auto& a) { return spec::mean_tokens(a[0]); }},
      {"scale_channels, enough for several threads", {{3, 27, 27, 40}, {3, 1, 1, 40}},
       [](auto& v) { return scale_channels(v[0], v[1]); },
       [](auto& a) { return spec::scale_channels(a[0], a[1]); }},
  };
}

}  // namespace

TEST_CASE("max pooling: forward and gradients") { check_rows(window_rows(max_row)); }
TEST_CASE("max pooling: planted errors are noticed") { check_planted_errors(window_rows(max_row)); }
TEST_CASE("average pooling: forward and gradients") { check_rows(window_rows(avg_row)); }
TEST_CASE("average pooling: planted errors are noticed") {
  check_planted_errors(window_rows(avg_row));
}
TEST_CASE("blur pooling: forward and gradients") { check_rows(blur_rows()); }
TEST_CASE("blur pooling: planted errors are noticed") { check_planted_errors(blur_rows()); }
TEST_CASE("large pooling: forward and gradients") { check_rows(large_rows()); }
TEST_CASE("large pooling: planted errors are noticed") { check_planted_errors(large_rows()); }
TEST_CASE("channels: forward and gradients") { check_rows(channel_rows()); }
TEST_CASE("channels: planted errors are noticed") { check_planted_errors(channel_rows()); }

TEST_CASE("max pooling sends the gradient of a tie to the first maximum") {
  Tape tape;
  const Var x = tape.variable(Tensor::full({1, 2, 2, 1}, 3));
  tape.backward(max_pool(x, {}));
  CHECK(tape.grad(x).to_vector() == std::vector<float>{1, 0, 0, 0});
}

TEST_CASE("max_pool: of equal values the first wins, and NaN wins over all, as in PyTorch") {
  const float nan = std::nanf("");
  for (const Device device : devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const auto winner = [&](const std::vector<float>& window) {
        const Tensor x = Tensor::from({1, 2, 2, 1}, window).to(device);
        Tensor typed({1, 2, 2, 1}, dtype, device);
        Tensor argmax({1, 1, 1, 1}, DType::u8, device), y({1, 1, 1, 1}, dtype, device);
        KERNEL(device, cast)(x, typed);
        KERNEL(device, max_pool_forward)(typed, {}, argmax, y);
        return argmax.to(Device{}).to_vector()[0];
      };
      CHECK_EQ(winner({1, 3, 3, 2}), 1);
      CHECK_EQ(winner({0, 0, 0, 0}), 0);
      CHECK_EQ(winner({1, nan, 3, 2}), 1);
      CHECK_EQ(winner({5, 3, 3, nan}), 3);
    }
  }
}

}  // namespace mld::test
