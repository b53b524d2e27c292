// core: shapes, tensors, random numbers, bfloat16, the kernel table, devices.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <set>
#include <vector>

#include "core/kernels.h"
#include "core/memory.h"

namespace mld {
namespace {

// Checks that the expression throws this Type with exactly this message.
#define CHECK_FAILS(Type, expression, message) \
  CHECK_THROWS_WITH_AS((void)(expression), message, Type)

uint32_t bits_of(float value) { return std::bit_cast<uint32_t>(value); }

}  // namespace

TEST_CASE("shape: dimensions, counts from the end, text") {
  const Shape shape{2, 80, 768};
  CHECK(shape.rank() == 3);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 768);
  CHECK(shape[-3] == 2);
  CHECK(shape.numel() == 122880);
  CHECK(shape.row() == 61440);
  CHECK(shape.str() == "[2, 80, 768]");
  CHECK(fmt::format("{}", shape) == "[2, 80, 768]");
  CHECK(shape == Shape{2, 80, 768});
  CHECK_FALSE(shape == Shape{2, 80});
  CHECK_FALSE(Shape{1, 2} == Shape{1, 2, 0});
}

TEST_CASE("shape: a scalar has one element, an empty dimension none") {
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{}.str() == "[]");
  CHECK(Shape{}.row() == 1);
  CHECK(Shape{0, 3}.numel() == 0);
  CHECK(Shape{0, 3}.row() == 1);
  CHECK(Shape{3, 0}.row() == 0);
}

TEST_CASE("shape: bad dimensions are refused, products are checked in 64 bits") {
  const int64_t big = int64_t{1} << 31;
  const char* too_many = "shape: too many elements (the limit is 72057594037927936)";
  CHECK(Shape{big, big / 64 - 1}.numel() == big * (big / 64 - 1));
  CHECK_FAILS(Error, (Shape{1, 2, 3, 4, 5, 6}), "shape: at most 5 dimensions, got 6");
  CHECK_FAILS(Error, (Shape{4, -1}), "shape: dimension 1 must not be negative, got -1");
  CHECK_FAILS(Error, (Shape{big, big}), too_many);
  CHECK_FAILS(Error, (Shape{big, big, big}), too_many);
  CHECK_FAILS(Error, (Shape{3, std::numeric_limits<int64_t>::max()}), too_many);
}

TEST_CASE("tensor: filled, copied, shared") {
  const Tensor x = Tensor::from({2, 3}, std::array{1.f, 2.f, 3.f, 4.f, 5.f, 6.f});
  const Tensor alias = x, copy = x.clone();
  x.data<float>()[4] = 50;
  CHECK(alias.to_vector() == std::vector<float>{1, 2, 3, 4, 50, 6});
  CHECK(copy.to_vector() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(x.to(Device{}).raw() == x.raw());
  CHECK(x.bytes() == 24);
  CHECK(x.like().shape() == x.shape());
  CHECK(reinterpret_cast<uintptr_t>(x.raw()) % 64 == 0);
}

TEST_CASE("tensor: every dtype is filled and read as floats") {
  for (const DType dtype : {DType::f32, DType::bf16, DType::i32, DType::u8, DType::i64}) {
    CAPTURE(name_of(dtype));
    const Tensor x = Tensor::full({3, 2}, 7, dtype);
    CHECK(x.dtype() == dtype);
    CHECK(x.bytes() == 6 * size_of(dtype));
    CHECK(x.to_vector() == std::vector<float>(6, 7.0f));
    CHECK(Tensor::zeros({4}, dtype).to_vector() == std::vector<float>(4, 0.0f));
    CHECK(x.clone().to_vector() == x.to_vector());
  }
}

TEST_CASE("tensor: views share memory") {
  const Tensor x = Tensor::from({3, 2}, std::array{1.f, 2.f, 3.f, 4.f, 5.f, 6.f});
  const Tensor middle = x.rows(1, 2), tail = x.rows(1, 3).rows(1, 2);
  CHECK(middle.shape() == Shape{1, 2});
  CHECK(middle.to_vector() == std::vector<float>{3, 4});
  CHECK(tail.to_vector() == std::vector<float>{5, 6});
  CHECK(x.rows(3, 3).numel() == 0);
  CHECK(x.reshape({6}).rows(2, 4).to_vector() == std::vector<float>{3, 4});
  x.reshape({2, 3}).data<float>()[2] = 30;
  CHECK(middle.to_vector() == std::vector<float>{30, 4});
}

TEST_CASE("tensor: misuse is named") {
  const Tensor x = Tensor::zeros({3, 2});
  CHECK_FAILS(Error, x.reshape({7}), "reshape: [3, 2] has 6 elements, but [7] has 7");
  CHECK_FAILS(Error, x.rows(2, 4), "rows: [2, 4) are not rows of a tensor of shape [3, 2]");
  CHECK_FAILS(Error, x.rows(-1, 2), "rows: [-1, 2) are not rows of a tensor of shape [3, 2]");
  CHECK_FAILS(Error, Tensor::zeros({}).rows(0, 0),
              "rows: [0, 0) are not rows of a tensor of shape []");
  CHECK_FAILS(Error, x.data<bf16>(), "tensor: float32 elements read as bfloat16");
  CHECK_FAILS(Error, x.item(), "item: needs one float32 element, got float32 [3, 2]");
  CHECK_FAILS(Error, Tensor::zeros({1}, DType::i32).item(),
              "item: needs one float32 element, got int32 [1]");
  CHECK_FAILS(Error, Tensor::from({2}, std::array{1.f}),
              "tensor: shape [2] needs 2 elements, got 1");
  CHECK(Tensor::full({1}, 2.5f).item() == 2.5f);
  CHECK_FALSE(Tensor().defined());
}

TEST_CASE("random: Philox4x32-10 gives Random123's known answers") {
  struct Answer {
    uint64_t key, low, high;
    std::array<uint32_t, 4> expected;
  };
  const Answer answers[] = {
      {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e,
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Answer& answer : answers) {
    const Philox4 got = philox(answer.key, answer.low, answer.high);
    for (size_t i = 0; i < 4; ++i) {
      CHECK(got.v[i] == answer.expected[i]);
    }
  }
}

TEST_CASE("random: the element form and the stream form draw the same bits") {
  const RandomKey key{.seed = 5, .step = 9, .stream = 77};
  RandomStream stream(key);
  for (uint64_t i = 0; i < 100; ++i) {
    REQUIRE(random_uniform(key, i) == uniform_from_bits(stream.bits()));
  }
  CHECK(uniform_from_bits(0xFFFFFFFF) < 1.0f);
  CHECK(uniform_from_bits(0) == 0.0f);
}

TEST_CASE("random: streams differ in every part of their key, and have the right moments") {
  const RandomKey base{.seed = 1, .step = 2, .stream = 3};
  for (const RandomKey& other :
       {RandomKey{2, 2, 3}, RandomKey{1, 3, 3}, RandomKey{1, 2, 4}}) {
    int equal = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      equal += random_uniform(base, i) == random_uniform(other, i);
    }
    CHECK(equal < 5);
  }
  RandomStream stream(base);
  constexpr int kDraws = 100000;
  double sum = 0, squares = 0, uniform = 0;
  std::array<int, 7> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const double normal = stream.normal();
    sum += normal;
    squares += normal * normal;
    uniform += stream.uniform();
    ++counts[static_cast<size_t>(stream.below(7))];
  }
  CHECK(std::abs(sum / kDraws) < 0.015);            // 4.7 standard errors
  CHECK(std::abs(squares / kDraws - 1) < 0.022);    // 4.9
  CHECK(std::abs(uniform / kDraws - 0.5) < 0.0045);  // 4.9
  for (const int count : counts) {
    CHECK(std::abs(count - kDraws / 7) < 550);  // 5.0
  }
}

TEST_CASE("random: normal numbers have the right moments, and neighbours do not depend") {
  const RandomKey key{.seed = 3, .step = 4, .stream = 5};
  constexpr uint64_t kCount = 100'000;
  double sum = 0, squares = 0, fourths = 0, neighbours = 0, last = 0, largest = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = random_normal<double>(key, i);
    CHECK(std::abs(x - static_cast<double>(random_normal<float>(key, i))) < 1e-5);
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
    neighbours += x * last;
    last = x;
    largest = std::max(largest, std::abs(x));
  }
  CHECK(std::abs(sum / kCount) < 0.015);  // about five deviations each
  CHECK(std::abs(squares / kCount - 1) < 0.025);
  CHECK(std::abs(fourths / kCount - 3) < 0.16);
  CHECK(std::abs(neighbours / kCount) < 0.016);
  CHECK(largest > 3.5);
  CHECK(largest < 6);  // -2 log 2^-24 has the root 5.77
}

TEST_CASE("bfloat16: rounds to nearest, ties to even") {
  const auto rounded = [](uint32_t bits) { return bf16(std::bit_cast<float>(bits)).bits; };
  CHECK(rounded(0x3F800000) == 0x3F80);  // 1
  CHECK(rounded(0x3F807FFF) == 0x3F80);  // just below half
  CHECK(rounded(0x3F808000) == 0x3F80);  // half, to even: down
  CHECK(rounded(0x3F818000) == 0x3F82);  // half, to even: up
  CHECK(rounded(0x3F808001) == 0x3F81);  // just above half
  CHECK(rounded(0xBF818000) == 0xBF82);  // the same below zero
  CHECK(rounded(0x7F7FFFFF) == 0x7F80);  // the largest float32 rounds to infinity
  CHECK(rounded(0x7F800000) == 0x7F80);  // infinity
  CHECK(rounded(0x80000000) == 0x8000);  // -0
  CHECK(rounded(0x00000001) == 0x0000);  // the smallest denormal
  for (const uint32_t nan : {0x7FC00000u, 0x7F800001u, 0xFFFFFFFFu}) {
    const float back = static_cast<float>(bf16(std::bit_cast<float>(nan)));
    CHECK(back != back);
  }
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {  // every bfloat16 survives the round trip
    bf16 value;
    value.bits = static_cast<uint16_t>(bits);
    const float wide = static_cast<float>(value);
    if (wide == wide) {
      REQUIRE(bits_of(wide) == bits << 16);
      REQUIRE(bf16(wide).bits == bits);
    }
  }
}

TEST_CASE("kernels: the CPU's table is complete") {
  const KernelTable& table = backend(Device{});
  std::set<void*> kernels;
  size_t declared = 0;
#define MLD_KERNEL(name, parameters)                     \
  kernels.insert(reinterpret_cast<void*>(table.name)); \
  ++declared;
#include "core/kernels.inc"
#undef MLD_KERNEL
  CHECK(kernels.size() == declared);  // no function twice
  CHECK_FALSE(kernels.contains(nullptr));
  CHECK(&table.memory_pool(0) == &memory_pool(Device{}));
  table.synchronize(0);
}

TEST_CASE("device: names are parsed, others refused") {
  CHECK(parse_device("cpu") == Device{});
  CHECK(parse_device("cuda") == Device{Backend::cuda, 0});
  CHECK(parse_device("cuda:3") == Device{Backend::cuda, 3});
  CHECK(Device{Backend::cuda, 3}.str() == "cuda:3");
  CHECK(Device{}.str() == "cpu");
  for (const char* bad : {"", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
    CHECK_FAILS(UsageError, parse_device(bad),
                fmt::format("device: \"{}\" is not one of auto, cpu, cuda, cuda:N", bad).c_str());
  }
}

TEST_CASE("device: without CUDA, auto is the CPU and asking for a GPU says what to do") {
  if (!parse_device("auto").is_cpu()) {
    MESSAGE("SKIPPED: there is a usable CUDA device");
    return;
  }
  try {
    Tensor x({2}, DType::f32, {Backend::cuda, 1});
    FAIL("there is no CUDA device");
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.starts_with("device cuda:1: "));
    CHECK(message.ends_with("; try --device cpu"));
  }
}

}  // namespace mld
