// Rows of the matrix products, attention and softmax.
#include <doctest/doctest.h>

#include "tests/op_case.h"

namespace mld::test {
namespace {

// x [..., C] as the matrix the specification reads, and y back in x's shape.
Array linear_of(const Array& x, const Array& w) {
  const Array y = spec::linear(spec::reshape(x, {x.numel() / x.dim(-1), x.dim(-1)}), w);
  std::vector<int64_t> dims(x.shape.dims().begin(), x.shape.dims().end());
  dims.back() = w.dim(0);
  return spec::reshape(y, Shape(std::span<const int64_t>(dims)));
}

OpCase linear_row(const std::string& what, const Shape& x, int64_t O) {
  return {"linear, " + what, {{x, uniform(-1, 1)}, {{O, x[-1]}, uniform(-1, 1)}, f32({O})},
          [](auto& v) { return linear(v[0], v[1], v[2]); },
          [](auto& a) { return spec::add_bias(linear_of(a[0], a[1]), a[2]); }};
}

OpCase linear_relu_row(const std::string& what, const Shape& x, int64_t O) {
  return {"linear_relu, " + what, {{x, uniform(-1, 1)}, {{O, x[-1]}, uniform(-1, 1)}, f32({O})},
          [](auto& v) { return linear_relu(v[0], v[1], v[2]); },
          [](auto& a) {
            const Array y = spec::add_bias(linear_of(a[0], a[1]), a[2]);
            return spec::activation(y, {.kind = Act::relu});
          }};
}

OpCase matmul_row(const std::string& what, const Shape& a, int64_t O) {
  return {"matmul, " + what, {{a, uniform(-1, 1)}, {{a[0], a[2], O}, uniform(-1, 1)}},
          [](auto& v) { return matmul(v[0], v[1]); },
          [](auto& x) { return spec::matmul(x[0], x[1]); }};
}

OpCase group_row(const std::string& what, int64_t N, int64_t G, int64_t D, int64_t g, int64_t K) {
  return {"group_linear, " + what,
          {{{N, G, D}, uniform(-1, 1)}, {{G, D, g}, uniform(-1, 1)}, f32({K})},
          [](auto& v) { return group_linear(v[0], v[1], v[2]); },
          [](auto& a) { return spec::group_linear(a[0], a[1], a[2]); }};
}

std::vector<OpCase> product_rows() {
  return {
      {"linear, no bias", {{3, 4}, {5, 4}}, [](auto& v) { return linear(v[0], v[1]); },
       [](auto& a) { return spec::linear(a[0], a[1]); }},
      linear_row("one row, one column", {1, 1}, 1),
      linear_row("one row without a batch", {6}, 3),
      linear_row("three dimensions", {2, 3, 5}, 4),
      linear_row("odd sizes", {7, 13}, 11),
      linear_row("wide", {3, 96}, 40),
      linear_row("many rows", {300, 3}, 5),
      {"linear, enough for several threads", {{500, 64}, {40, 64}},
       [](auto& v) { return linear(v[0], v[1]); },
       [](auto& a) { return spec::linear(a[0], a[1]); }},
      linear_relu_row("one row, one column", {1, 1}, 1),
      linear_relu_row("three dimensions", {2, 3, 5}, 4),
      linear_relu_row("wide", {3, 64}, 40),
      matmul_row("one batch", {1, 3, 4}, 5),
      matmul_row("three batches", {3, 2, 5}, 4),
      matmul_row("one row, one column", {2, 1, 1}, 1),
      matmul_row("wide", {2, 17, 33}, 20),
      matmul_row("enough for several threads", {300, 8, 9}, 7),
      group_row("groups divide the classes", 2, 3, 5, 4, 12),
      group_row("classes that groups do not divide", 2, 3, 5, 4, 10),
      group_row("an empty last group", 1, 3, 5, 2, 4),
      group_row("one class a group: full decoding", 3, 7, 4, 1, 7),
      group_row("one group", 2, 1, 6, 5, 5),
      group_row("one image, one class", 1, 1, 3, 1, 1),
      group_row("wide", 3, 4, 32, 20, 77),
      group_row("enough for several threads", 8, 12, 96, 30, 355),
      group_row("many images and classes", 9, 2, 11, 530, 1050),
      {"embedding", {ids({5}, 4), {4, 3}}, [](auto& v) { return embedding(v[0].value, v[1]); },
       [](auto& a) { return spec::embedding(a[0], a[1]); }},
      {"embedding, enough for several threads", {ids({900}, 300), {300, 64}},
       [](auto& v) { return embedding(v[0].value, v[1]); },
       [](auto& a) { return spec::embedding(a[0], a[1]); }},
      {"embedding, two dimensions of ids", {ids({2, 4}, 3), {3, 5}},
       [](auto& v) { return embedding(v[0].value, v[1]); },
       [](auto& a) { return spec::reshape(spec::embedding(a[0], a[1]), {2, 4, 5}); }},
      {"embedding, one row", {ids({6}, 1), {1, 2}},
       [](auto& v) { return embedding(v[0].value, v[1]); },
       [](auto& a) { return spec::embedding(a[0], a[1]); }},
  };
}

struct AttentionSizes {
  int64_t N, Q, L, D;
  int heads;
  bool shared_q = false, causal = false;
};

OpCase attention_row(const std::string& what, const AttentionSizes& s,
                     const Fill& fill = uniform(-2, 2)) {
  const AttentionSpec spec{.heads = s.heads, .causal = s.causal};
  const Shape q{s.shared_q ? 1 : s.N, s.Q, s.D}, k{s.N, s.L, s.D};
  return {"attention, " + what, {{q, fill}, {k, fill}, {k, fill}},
          [spec](auto& v) { return attention(v[0], v[1], v[2], spec); },
          [spec](auto& a) { return spec::attention(a[0], a[1], a[2], spec); }};
}

// Two heads with dropout drawn from the tape, keys and values of one shape.
OpCase drawn_row(const std::string& what, const Shape& q, const Shape& kv) {
  const AttentionSpec drawn{.heads = 2, .dropout = {.p = 0.3f, .key = kFirstDraw}};
  return {"attention, " + what, {{q, uniform(-2, 2)}, {kv, uniform(-2, 2)}, {kv, uniform(-2, 2)}},
          [drawn](auto& v) {
            AttentionSpec spec = drawn;
            spec.dropout.key = v[0].tape->next_random();
            return attention(v[0], v[1], v[2], spec);
          },
          [drawn](auto& a) { return spec::attention(a[0], a[1], a[2], drawn); }};
}

std::vector<OpCase> attention_rows() {
  return {
      attention_row("one head", {.N = 2, .Q = 3, .L = 5, .D = 4, .heads = 1}),
      attention_row("four heads", {.N = 2, .Q = 3, .L = 5, .D = 8, .heads = 4}),
      attention_row("one column a head", {.N = 1, .Q = 2, .L = 3, .D = 4, .heads = 4}),
      attention_row("one query", {.N = 2, .Q = 1, .L = 6, .D = 4, .heads = 2}),
      attention_row("two tokens", {.N = 1, .Q = 3, .L = 2, .D = 4, .heads = 2}),
      attention_row("shared queries",
                    {.N = 3, .Q = 4, .L = 5, .D = 6, .heads = 2, .shared_q = true}),
      attention_row("causal", {.N = 2, .Q = 5, .L = 5, .D = 4, .heads = 2, .causal = true}),
      attention_row("causal, fewer keys than queries",
                    {.N = 1, .Q = 6, .L = 3, .D = 4, .heads = 2, .causal = true}),
      attention_row("wide", {.N = 1, .Q = 9, .L = 17, .D = 32, .heads = 2}),
      // Heads of a multiple of 16 columns, beyond a tile of queries and keys.
      attention_row("a decoder's head", {.N = 1, .Q = 70, .L = 49, .D = 96, .heads = 1}),
      attention_row("wide, shared queries",
                    {.N = 2, .Q = 9, .L = 40, .D = 64, .heads = 2, .shared_q = true}),
      attention_row("wide, causal",
                    {.N = 1, .Q = 70, .L = 70, .D = 16, .heads = 1, .causal = true}),
      drawn_row("wide, drawn dropout", {2, 5, 32}, {2, 35, 32}),
      attention_row("large scores", {.N = 1, .Q = 3, .L = 4, .D = 8, .heads = 2}, uniform(-3, 3)),
      attention_row("more shared queries than one block of scores",
                    {.N = 2, .Q = 130, .L = 300, .D = 4, .heads = 2, .shared_q = true}),
      drawn_row("drawn dropout", {2, 3, 4}, {2, 5, 4}),
      drawn_row("drawn dropout, shared queries", {1, 3, 4}, {2, 5, 4}),
  };
}

std::vector<OpCase> softmax_rows() {
  return {
      {"softmax", {{3, 5}}, [](auto& v) { return softmax(v[0]); },
       [](auto& a) { return spec::softmax(a[0]); }},
      {"softmax, three dimensions", {{2, 3, 4}}, [](auto& v) { return softmax(v[0]); },
       [](auto& a) { return spec::softmax(a[0]); }},
      // Forward only: where one probability is 1 to the last bit, gradients are rounding errors.
      {"softmax, far from zero", {Input({2, 3, 4}, uniform(-60, 60)).constant()},
       [](auto& v) { return softmax(v[0]); }, [](auto& a) { return spec::softmax(a[0]); }},
      {"softmax, long rows", {{2, 150}}, [](auto& v) { return softmax(v[0]); },
       [](auto& a) { return spec::softmax(a[0]); }},
      {"log_softmax", {{3, 5}}, [](auto& v) { return log_softmax(v[0]); },
       [](auto& a) { return spec::log_softmax(a[0]); }},
      {"log_softmax, three dimensions", {{2, 3, 4}}, [](auto& v) { return log_softmax(v[0]); },
       [](auto& a) { return spec::log_softmax(a[0]); }},
      {"softmax, enough for several threads", {{500, 90}}, [](auto& v) { return softmax(v[0]); },
       [](auto& a) { return spec::softmax(a[0]); }},
      {"log_softmax, long rows", {{2, 150}}, [](auto& v) { return log_softmax(v[0]); },
       [](auto& a) { return spec::log_softmax(a[0]); }},
  };
}

}  // namespace

TEST_CASE("matrix products: forward and gradients") { check_rows(product_rows()); }
TEST_CASE("matrix products: planted errors are noticed") { check_planted_errors(product_rows()); }
TEST_CASE("attention: forward and gradients") { check_rows(attention_rows()); }
TEST_CASE("attention: planted errors are noticed") { check_planted_errors(attention_rows()); }
TEST_CASE("softmax: forward and gradients") { check_rows(softmax_rows()); }
TEST_CASE("softmax: planted errors are noticed") { check_planted_errors(softmax_rows()); }

TEST_CASE("one key gets all the attention, and queries and keys no gradient") {
  Tape tape;
  const Var q = tape.variable(Tensor::full({1, 3, 4}, 0.5f));
  const Var k = tape.variable(Tensor::full({1, 1, 4}, 2));
  const Var v = tape.variable(Tensor::full({1, 1, 4}, 3));
  const Var y = attention(q, k, v, {.heads = 2});
  CHECK(y.value.to_vector() == std::vector<float>(12, 3.0f));
  tape.backward(sum(y));
  CHECK(tape.grad(q).to_vector() == std::vector<float>(12, 0.0f));
  CHECK(tape.grad(k).to_vector() == std::vector<float>(4, 0.0f));
  CHECK(tape.grad(v).to_vector() == std::vector<float>(4, 3.0f));
}

}  // namespace mld::test
