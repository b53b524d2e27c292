// The building blocks of the CPU kernels: elementary functions, SIMD registers, dropout's mask; and
// that results do not depend on the thread count where the contract says so.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/cpu/support/fast_math.h"
#include "core/cpu/support/keep_mask.h"
#include "core/cpu/support/simd.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace mld {
namespace {

// The largest relative error of f against its float64 form over [low, high].
double relative_error(float (*f)(float), double (*exact)(double), float low, float high) {
  double worst = 0;
  for (int i = 0; i <= 100000; ++i) {
    const float x = low + (high - low) * static_cast<float>(i) / 100000;
    worst = std::max(worst, std::abs(f(x) / exact(x) - 1));
  }
  return worst;
}

Tensor random(const Shape& shape, uint64_t seed, DType dtype = DType::f32) {
  Tensor x(shape);
  RandomStream stream({.seed = seed});
  for (int64_t i = 0; i < x.numel(); ++i) {
    x.data<float>()[i] = static_cast<float>(stream.uniform(-1, 1));
  }
  if (dtype == DType::f32) {
    return x;
  }
  Tensor y(shape, dtype);
  cpu::cast(x, y);
  return y;
}

const float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("fast math: within a few units in the last place of float64") {
  CHECK(relative_error(cpu::fast_exp, std::exp, -87, 88) < 1.5e-7);
  CHECK(relative_error(cpu::fast_sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -86,
                       86) < 3e-7);
  CHECK(relative_error(cpu::fast_softplus, [](double x) { return std::log1p(std::exp(x)); }, -86,
                       86) < 3e-7);
  const auto cdf = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  CHECK(relative_error(cpu::normal_cdf, cdf, -3, 3) < 6e-7);
  CHECK(relative_error(cpu::normal_cdf, cdf, -12, 12) < 6e-6);
}

TEST_CASE("fast math: infinities and NaN") {
  CHECK(cpu::fast_exp(-kInf) == 0);
  CHECK(cpu::fast_exp(-100) == 0);
  CHECK(cpu::fast_exp(kInf) == kInf);
  CHECK(cpu::fast_exp(0) == 1);
  CHECK(cpu::fast_sigmoid(kInf) == 1);
  CHECK(cpu::fast_sigmoid(-kInf) == 0);
  CHECK(cpu::fast_softplus(kInf) == kInf);
  CHECK(cpu::fast_softplus(-kInf) == 0);
  CHECK(cpu::normal_cdf(40) == 1);
  CHECK(cpu::normal_cdf(-40) == 0);
  for (float (*f)(float) :
       {cpu::fast_exp, cpu::fast_sigmoid, cpu::fast_softplus, cpu::normal_cdf}) {
    CHECK(std::isnan(f(kNan)));
  }
}

TEST_CASE("activation: NaN is not hidden") {
  for (const Act act : {Act::identity, Act::relu, Act::leaky_relu, Act::relu6, Act::gelu,
                        Act::quick_gelu, Act::sigmoid, Act::softplus, Act::exponential}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      Tensor x = Tensor::full({3}, kNan, dtype), y = x.like();
      cpu::activation_forward(x, {.kind = act}, y);
      CHECK(std::isnan(y.to_vector()[1]));
    }
  }
}

TEST_CASE("simd: parts read and write nothing beyond") {
  using namespace cpu;
  for (int count = 1; count <= kLanes; ++count) {
    std::vector<float> x(static_cast<size_t>(count), 3.0f), y(kLanes + 1, -1.0f);
    const Vec v = load_part(x.data(), count);  // ASan sees a read beyond the end
    store_part(v, y.data(), count);
    std::vector<bf16> hx(static_cast<size_t>(count), bf16(3.0f)), hy(kLanes + 1, bf16(-1.0f));
    const Vec h = load_part(hx.data(), count);
    store_part(h, hy.data(), count);
    for (int i = 0; i <= kLanes; ++i) {
      const size_t at = static_cast<size_t>(i);
      CHECK(y[at] == (i < count ? 3.0f : -1.0f));
      CHECK(static_cast<float>(hy[at]) == (i < count ? 3.0f : -1.0f));
      CHECK((i == kLanes || v[i] == (i < count ? 3.0f : 0.0f)));
    }
  }
}

TEST_CASE("simd: a register matrix is transposed; bfloat16 rounds as the scalar does") {
  using namespace cpu;
  Vec rows[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) {
      rows[i][j] = static_cast<float>(100 * i + j);
    }
  }
  transpose(rows);
  for (int i = 0; i < kLanes; ++i) {
    for (int j = 0; j < kLanes; ++j) {
      CHECK(rows[i][j] == static_cast<float>(100 * j + i));
    }
  }
  for (const uint32_t bits : {0x3F808000u, 0x3F818000u, 0x3F808001u, 0x7F7FFFFFu, 0x7F800001u}) {
    const float value = std::bit_cast<float>(bits);
    bf16 out[kLanes];
    store(Vec{} + value, out);
    CHECK(out[kLanes - 1].bits == bf16(value).bits);
  }
}

TEST_CASE("dropout: a stretch of the mask is the random numbers of its elements") {
  const DropoutSpec spec{.p = 0.3f, .key = {.seed = 5, .step = 9, .stream = 77}};
  std::vector<float> factors(300);
  for (const int64_t begin : {0, 1, 2, 3, 4, 63, 1000003}) {
    cpu::keep_factors(spec, begin, 300, factors.data());
    for (int64_t i = 0; i < 300; ++i) {
      const bool keep = random_uniform(spec.key, static_cast<uint64_t>(begin + i)) >= 0.3f;
      REQUIRE(factors[static_cast<size_t>(i)] == (keep ? 1.0f / (1.0f - 0.3f) : 0.0f));
    }
  }
}

namespace {

// Checks that the outputs of run() are the same bits on one, two and three threads.
void check_threads(const char* name, const std::function<std::vector<Tensor>()>& run) {
  CAPTURE(name);
  const int before = compute_threads();
  std::vector<std::vector<float>> expected;
  for (const int threads : {1, 2, 3}) {
    set_threads(threads);
    const std::vector<Tensor> got = run();
    for (size_t i = 0; i < got.size(); ++i) {
      if (threads == 1) {
        expected.push_back(got[i].to_vector());
      } else {
        CHECK(got[i].to_vector() == expected[i]);
      }
    }
  }
  set_threads(before);
}

}  // namespace

TEST_CASE("threads: sums have one order") {
  const Tensor x = random({5000, 37}, 1), w = random({37}, 2), b = random({37}, 3);
  check_threads("sum_rows", [&] {
    Tensor y({37});
    cpu::sum_rows(x, y);
    return std::vector{y};
  });
  check_threads("global_norm", [&] {
    Tensor y({1});
    cpu::global_norm({x, w, b}, y);
    return std::vector{y};
  });
  check_threads("layer_norm", [&] {
    Tensor mean({5000}), rstd({5000}), y = x.like(), dx = x.like(), dw = w.like(), db = b.like();
    cpu::layer_norm_forward(x, w, b, {}, mean, rstd, y);
    cpu::layer_norm_backward(y, x, w, mean, rstd, dx, dw, db);
    return std::vector{y, dx, dw, db};
  });
  check_threads("asymmetric_loss", [&] {
    Tensor loss({1});
    cpu::asymmetric_loss_forward(x, Tensor::zeros(x.shape()), {}, {}, loss);
    return std::vector{loss};
  });
  check_threads("lamb", [&] {
    const Tensor value = x.clone(), m = Tensor::zeros(x.shape()), v = Tensor::zeros(x.shape());
    cpu::lamb_step({{value, random(x.shape(), 4), m, v, 0.02f}},
                   {.rates = StepRates::at(1, 0.004f, 0.9f, 0.999f).tensor()});
    return std::vector{value, m, v};
  });
}

TEST_CASE("threads: attention and group linear give the same bits") {
  const Tensor q = random({1, 9, 32}, 1), k = random({5, 21, 32}, 2), v = random({5, 21, 32}, 3);
  const Tensor dy = random({5, 9, 32}, 4);
  const AttentionSpec spec{.heads = 4, .dropout = {.p = 0.1f, .key = {.seed = 1}}};
  check_threads("attention", [&] {
    Tensor lse({5, 4, 9}), y = dy.like(), dq = q.like(), dk = k.like(), dv = v.like();
    cpu::attention_forward(q, k, v, spec, lse, y);
    cpu::attention_backward(dy, q, k, v, y, lse, spec, dq, dk, dv);
    return std::vector{y, dq, dk, dv};
  });
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor h = random({9, 7, 300}, 5, dtype), w = random({7, 300, 37}, 6, dtype);
    const Tensor bias = random({255}, 7), g = random({9, 255}, 8, dtype);
    check_threads("group_linear", [&] {
      Tensor y = g.like(), dh = h.like(), dw = w.like();
      cpu::group_linear_forward(h, w, bias, y);
      cpu::group_linear_backward(g, h, w, dh, dw);
      return std::vector{y, dh, dw};
    });
  }
}

}  // namespace mld
