// The tape: sharing, accumulation, memory, what is recorded, errors.
#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "tests/op_case.h"

namespace mld::test {
namespace {

Tensor vector(std::initializer_list<float> values) {
  const std::vector<float> v(values);
  return Tensor::from({static_cast<int64_t>(v.size())}, v);
}

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  RandomStream random({.seed = seed});
  Array x(shape);
  for (double& value : x.values) {
    value = random.uniform(-1, 1);
  }
  return to_tensor(x, DType::f32, Device{});
}

size_t in_use() { return memory_pool(Device{}).stats().in_use; }

// Passes x on and calls `look` when its gradient arrives.
Var probe(const Var& x, std::function<void()> look) {
  return record("probe", x.value, {x}, [look = std::move(look)](const Tensor& dy) -> Grads {
    look();
    return {dy};
  });
}

}  // namespace

// ---- values used more than once -----------------------------------------------------------------

TEST_CASE("a value used twice gets the sum of its gradients") {
  Tape tape;
  const Var x = tape.variable(vector({1, 2}));
  const Var y = add(scale(x, 2), add(x, scale(x, 3)));
  tape.backward(y, vector({1, 10}));
  CHECK(tape.grad(x).to_vector() == std::vector<float>{6, 60});
}

TEST_CASE("gradients that share memory do not disturb each other") {
  Tape tape;
  const Var a = tape.variable(vector({1, 2})), b = tape.variable(vector({3, 4}));
  const Var sum_ab = add(a, b);              // hands the same dy to a and b
  const Var y = add(sum_ab, scale(a, 5));    // and a gets more
  const Tensor dy = vector({1, 1});
  tape.backward(y, dy);
  CHECK(tape.grad(a).to_vector() == std::vector<float>{6, 6});
  CHECK(tape.grad(b).to_vector() == std::vector<float>{1, 1});
  CHECK(dy.to_vector() == std::vector<float>{1, 1});
}

TEST_CASE("a parameter's gradient is its own memory: clipping one leaves the others alone") {
  Tape tape;
  const Tensor a = vector({1, 2}), b = vector({3, 4});
  Tensor da, db;
  tape.backward(add(tape.parameter(a, &da), tape.parameter(b, &db)), vector({1, 1}));
  CHECK(da.raw() != db.raw());
  KERNEL(Device{}, clip_all)({da, db}, vector({2}), 1);
  CHECK(da.to_vector() == std::vector<float>{1 / 2.000001f, 1 / 2.000001f});
  CHECK(db.to_vector() == da.to_vector());
}

TEST_CASE("one sink is one parameter, however often it is asked for") {
  Tape tape;
  const Tensor w = vector({3});
  Tensor sink;
  const Var first = tape.parameter(w, &sink), second = tape.parameter(w, &sink);
  CHECK(first.slot == second.slot);
  tape.backward(add(scale(first, 2), scale(second, 5)));
  CHECK(sink.to_vector() == std::vector<float>{7});
}

TEST_CASE("a value that nothing depends on has a gradient of zeros") {
  Tape tape;
  const Var x = tape.variable(vector({1})), unused = tape.variable(vector({1, 2, 3}));
  tape.backward(scale(x, 2));
  CHECK(tape.grad(unused).to_vector() == std::vector<float>{0, 0, 0});
}

// ---- accumulation over micro-batches ------------------------------------------------------------

namespace {

struct SmallNet {
  std::vector<Tensor> values = {random_tensor({6, 5}, 1), random_tensor({6}, 2),
                                random_tensor({6}, 3), random_tensor({6}, 4),
                                random_tensor({4, 6}, 5), random_tensor({4}, 6)};
  std::vector<Tensor> grads = std::vector<Tensor>(6);

  // Runs pictures [begin, end) and adds the gradients of factor * loss.
  template <class Loss>
  void step(const Tensor& x, int64_t begin, int64_t end, float factor, Loss loss) {
    Tape tape;
    std::vector<Var> p;
    for (size_t i = 0; i < values.size(); ++i) {
      p.push_back(tape.parameter(values[i], &grads[i]));
    }
    const Var h = linear_relu(tape.constant(x.rows(begin, end)), p[0], p[1]);
    const Var logits = linear(layer_norm(h, p[2], p[3]), p[4], p[5]);
    tape.backward(scale(loss(logits, begin, end), factor));
  }
};

// The largest error of any parameter's gradient.
double difference(const SmallNet& a, const SmallNet& b) {
  double worst = 0;
  for (size_t i = 0; i < a.grads.size(); ++i) {
    const Array ga = to_array(a.grads[i]), gb = to_array(b.grads[i]);
    worst = std::max(worst, largest_error(ga.values, gb.values));
  }
  return worst;
}

}  // namespace

TEST_CASE("two micro-batches give the large batch's gradients") {
  constexpr int64_t N = 8, half = N / 2;
  const Tensor x = random_tensor({N, 5}, 7);
  Array one_hot({N, 4});
  for (int64_t n = 0; n < N; ++n) {
    one_hot(n, n % 4) = 1;
  }
  const Tensor y = to_tensor(one_hot, DType::f32, Device{});
  const auto mean_loss = [&](const Var& logits, int64_t begin, int64_t end) {
    return cross_entropy(logits, y.rows(begin, end));
  };
  const auto sum_loss = [&](const Var& logits, int64_t begin, int64_t end) {
    return asymmetric_loss(logits, y.rows(begin, end));
  };
  SmallNet large, small;
  large.step(x, 0, N, 1, mean_loss);
  small.step(x, 0, half, 0.5f, mean_loss);  // a mean over half the batch counts half
  small.step(x, half, N, 0.5f, mean_loss);
  CHECK(difference(small, large) < 1e-6);
  SmallNet large_sum, small_sum;
  large_sum.step(x, 0, N, 1, sum_loss);
  small_sum.step(x, 0, half, 1, sum_loss);
  small_sum.step(x, half, N, 1, sum_loss);
  CHECK(difference(small_sum, large_sum) < 1e-6);
  small_sum.step(x, half, N, 1, sum_loss);
  CHECK(difference(small_sum, large_sum) > 1e-2);
}

// ---- memory -------------------------------------------------------------------------------------

TEST_CASE("what an op saved is freed as soon as its backward has run") {
  constexpr size_t bytes = 4 * 1024 * 1024;  // of one activation
  constexpr int depth = 8;
  Tape tape;
  size_t at_the_end = 0;
  const size_t before = in_use();
  Var y = tape.variable(Tensor::full({1024, 1024}, 0.5f));
  y = probe(y, [&] { at_the_end = in_use(); });
  for (int i = 0; i < depth; ++i) {
    y = sigmoid(y);  // saves its input
  }
  y = sum(y);
  const size_t after_forward = in_use();
  CHECK(after_forward - before >= depth * bytes);
  memory_pool(Device{}).reset_peak();
  tape.backward(y);
  // When the first op is reached only the variable (held by its op's closure) and gradients remain.
  CHECK(at_the_end - before <= 3 * bytes);
  // On the way at most two gradients came on top of what forward had saved.
  CHECK(memory_pool(Device{}).stats().peak <= after_forward + 2 * bytes + 65536);
}

TEST_CASE("what serves no gradient is not saved") {
  const Tensor image = Tensor::full({1, 64, 64, 16}, 1);
  const Tensor weight = Tensor::full({4, 1, 1, 16}, 1);
  const auto held_by_tape = [&](bool train_weight) {
    Tape tape;
    Tensor sink;
    const Var x = tape.variable(image);
    const Var w = train_weight ? tape.parameter(weight, &sink) : tape.constant(weight);
    const size_t before = in_use();
    Var h = scale(x, 2);          // saves nothing
    Var y = conv2d(h, w);         // saves h for dw only
    h = Var();
    const size_t held = in_use() - before - y.value.bytes();
    tape.backward(sum(y));
    return held;
  };
  CHECK(held_by_tape(false) < 65536);
  CHECK(held_by_tape(true) >= image.bytes());
}

TEST_CASE("a constant gets no gradient, and the work for it is not done") {
  const Tensor weight = random_tensor({5, 3, 3, 2}, 1), image = random_tensor({2, 6, 6, 2}, 2);
  size_t calls = 0;
  Tape tape;
  Tensor sink;
  const Var x = probe(tape.constant(image), [&] { ++calls; });
  CHECK(!x.needs_grad());
  const Var y = conv2d(x, tape.parameter(weight, &sink), {.pad = 1});
  const size_t nodes = tape.size();
  CHECK(nodes == 2);  // the parameter and the convolution
  tape.backward(sum(y));
  CHECK(calls == 0);
  CHECK(sink.defined());
}

// ---- what is recorded ---------------------------------------------------------------------------

TEST_CASE("without a tape nothing is recorded, and constants record nothing") {
  const Var plain = relu(scale(Var(vector({-1, 2})), 3));
  CHECK(plain.tape == nullptr);
  CHECK(!plain.needs_grad());
  CHECK(plain.value.to_vector() == std::vector<float>{0, 6});
  Tape tape;
  const Var constant = relu(scale(tape.constant(vector({-1, 2})), 3));
  CHECK(constant.tape == &tape);
  CHECK(!constant.needs_grad());
  CHECK(tape.size() == 0);
  const Var x = tape.variable(vector({1, 1}));
  CHECK(add(constant, x).needs_grad());
  CHECK(tape.size() == 2);
}

TEST_CASE("ops that draw take one stream after another, from the tape's seed and step") {
  Tape tape({.seed = 4, .step = 9});
  const RandomKey first = tape.next_random(), second = tape.next_random();
  CHECK(first.seed == 4);
  CHECK(first.step == 9);
  CHECK(first.stream == kFirstDraw.stream);
  CHECK(second.stream == first.stream + 1);
  const Tensor ones = Tensor::full({64}, 1);
  const auto draw = [&](RandomKey key) {
    Tape other(key);
    return dropout(other.constant(ones), 0.5f).value.to_vector();
  };
  CHECK(draw({.seed = 4, .step = 9}) == draw({.seed = 4, .step = 9}));
  CHECK(draw({.seed = 4, .step = 9}) != draw({.seed = 4, .step = 10}));
  CHECK(draw({.seed = 4, .step = 9}) != draw({.seed = 5, .step = 9}));
}

// ---- errors -------------------------------------------------------------------------------------

TEST_CASE("errors: tape") {
  Tape tape, other;
  const Var x = tape.variable(vector({1, 2})), foreign = other.variable(vector({1, 2}));
  CHECK_THROWS_WITH_AS(add(x, foreign), "add: inputs are on different tapes", Error);
  CHECK_THROWS_WITH_AS(tape.backward(x), "backward: y is [2], not a scalar, so it needs a dy",
                       Error);
  CHECK_THROWS_WITH_AS(tape.backward(foreign, vector({1, 2})),
                       "backward: the value is not on this tape", Error);
  CHECK_THROWS_WITH_AS(tape.backward(tape.constant(vector({1}))),
                       "backward: the value is not on this tape", Error);
  CHECK_THROWS_WITH_AS(
      tape.backward(scale(x, 2), vector({1})),
      "backward: the gradient for scale is float32 [1] on cpu, but its value is float32 [2] on cpu",
      Error);
  CHECK_THROWS_WITH_AS(tape.grad(foreign), "grad: the value is not on this tape", Error);
  CHECK_THROWS_WITH_AS(tape.grad(scale(x, 2)),
                       "grad: only a variable() keeps its gradient, this is the output of scale",
                       Error);
  tape.backward(sum(x));
  CHECK_THROWS_WITH_AS(
      tape.backward(sum(x)),
      "backward: a tape runs only once; record the step on a new one", Error);
}

TEST_CASE("errors: an op whose gradients do not fit its inputs") {
  const auto run = [](const Backward& backward) {
    Tape tape;
    const Var x = tape.variable(vector({1, 2}));
    tape.backward(record("bad", vector({1}), {x}, backward));
  };
  CHECK_THROWS_WITH_AS(run([](const Tensor&) -> Grads { return {}; }),
                       "bad: 1 inputs but 0 gradients", Error);
  CHECK_THROWS_WITH_AS(
      run([](const Tensor& dy) -> Grads { return {dy}; }),
      "bad: the gradient for variable is float32 [1] on cpu, but its value is float32 [2] on cpu",
      Error);
  CHECK_THROWS_WITH_AS(
      run([](const Tensor&) -> Grads { return {Tensor::zeros({2}, DType::bf16)}; }),
      "bad: the gradient for variable is bfloat16 [2] on cpu, but its value is float32 [2] on cpu",
      Error);
}

}  // namespace mld::test
