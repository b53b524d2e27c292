// Rows of the losses. Logits are always float32, so there is no bfloat16 run.
#include <doctest/doctest.h>

#include "tests/op_case.h"

namespace mld::test {
namespace {

// Inputs: logits, targets, and the logits the focusing factor is computed from where the gradient
// does not flow through it.
OpCase asl_row(const std::string& what, const Input& logits, const Input& targets,
               const AslSpec& s) {
  return {"asymmetric_loss, " + what, {logits, targets, copy_of(0)},
          [s](auto& v) { return asymmetric_loss(v[0], v[1].value, s); },
          [s](auto& a) {
            return spec::asymmetric_loss(a[0], a[1], s, s.detach_weights ? a[2] : a[0]);
          }};
}

// The same with weights of the elements, some of them 0.
Input weights(const Shape& shape) {
  return f32(shape, [](RandomStream& random, int64_t, const Shape&) {
           return random.coin(0.3) ? 0.0 : random.uniform(0.1, 3);
         }).constant();
}
OpCase weighted_asl_row(const std::string& what, const Shape& shape, const AslSpec& s) {
  return {"asymmetric_loss, " + what,
          {f32(shape, uniform(-4, 4)), labels(shape), copy_of(0), weights(shape)},
          [s](auto& v) { return asymmetric_loss(v[0], v[1].value, s, v[3].value); },
          [s](auto& a) {
            return spec::asymmetric_loss(a[0], a[1], s, s.detach_weights ? a[2] : a[0], a[3]);
          }};
}

std::vector<OpCase> asl_rows() {
  const Shape shape{3, 7};
  const Input near = f32(shape, uniform(-4, 4)), far = f32(shape, uniform(-25, 25));
  return {
      asl_row("the training default", near, labels(shape), {}),
      asl_row("through the weights", near, labels(shape), {.detach_weights = false}),
      asl_row("the class default", near, labels(shape), {.gamma_pos = 1, .detach_weights = false}),
      asl_row("the class default, detached", near, labels(shape), {.gamma_pos = 1}),
      asl_row("no shift", near, labels(shape),
              {.gamma_pos = 1, .clip = 0, .detach_weights = false}),
      asl_row("no focusing", near, labels(shape), {.gamma_neg = 0}),
      asl_row("no focusing, no shift: BCE", near, labels(shape), {.gamma_neg = 0, .clip = 0}),
      asl_row("fractional gammas", near, labels(shape),
              {.gamma_neg = 2.5f, .gamma_pos = 0.5f, .detach_weights = false}),
      asl_row("gamma 3 and 2", near, labels(shape),
              {.gamma_neg = 3, .gamma_pos = 2, .detach_weights = false}),
      asl_row("soft targets", near, soft_labels(shape), {.gamma_pos = 1}),
      asl_row("soft targets, through the weights", near, soft_labels(shape),
              {.gamma_pos = 1, .detach_weights = false}),
      asl_row("far logits, clamped by eps", far, labels(shape), {.gamma_pos = 1}),
      asl_row("far logits, through the weights", far, labels(shape), {.detach_weights = false}),
      asl_row("far logits, large eps", far, labels(shape), {.clip = 0, .eps = 1e-3f}),
      asl_row("one logit", f32({1, 1}, uniform(0.5, 1)), labels({1, 1}), {.gamma_pos = 1}),
      asl_row("enough for several threads", f32({200, 81}, uniform(-4, 4)), labels({200, 81}), {}),
      weighted_asl_row("weighted elements", shape, {.gamma_pos = 1}),
      weighted_asl_row("weighted elements, through the focusing", shape,
                       {.gamma_pos = 1, .detach_weights = false}),
      weighted_asl_row("weighted elements, several threads", {200, 81}, {}),
  };
}

OpCase single_row(const std::string& what, const Input& logits, const AslSingleSpec& s) {
  return {"asl_single_label, " + what, {logits, one_hot(logits.shape)},
          [s](auto& v) { return asl_single_label(v[0], v[1].value, s); },
          [s](auto& a) { return spec::asl_single_label(a[0], a[1], s); }};
}

OpCase bce_row(const std::string& what, const Input& logits, const Input& targets) {
  return {"binary_cross_entropy, " + what, {logits, targets},
          [](auto& v) { return binary_cross_entropy(v[0], v[1].value); },
          [](auto& a) { return spec::binary_cross_entropy(a[0], a[1]); }};
}

OpCase weighted_bce_row(const std::string& what, const Shape& shape) {
  return {"binary_cross_entropy, " + what,
          {f32(shape, uniform(-4, 4)), soft_labels(shape), weights(shape)},
          [](auto& v) { return binary_cross_entropy(v[0], v[1].value, v[2].value); },
          [](auto& a) { return spec::binary_cross_entropy(a[0], a[1], a[2]); }};
}

OpCase weighted_single_row(const std::string& what, const Shape& shape, const AslSingleSpec& s) {
  return {"asl_single_label, " + what,
          {f32(shape, uniform(-4, 4)), one_hot(shape), weights(shape)},
          [s](auto& v) { return asl_single_label(v[0], v[1].value, s, v[2].value); },
          [s](auto& a) { return spec::asl_single_label(a[0], a[1], s, a[2]); }};
}

OpCase ce_row(const std::string& what, const Input& logits, const Input& targets) {
  return {"cross_entropy, " + what, {logits, targets},
          [](auto& v) { return cross_entropy(v[0], v[1].value); },
          [](auto& a) { return spec::cross_entropy(a[0], a[1]); }};
}

std::vector<OpCase> other_rows() {
  const Shape shape{3, 7};
  const Input near = f32(shape, uniform(-4, 4)), far = f32(shape, uniform(-60, 60));
  return {
      bce_row("hard targets", near, labels(shape)),
      bce_row("soft targets", near, soft_labels(shape)),
      bce_row("far logits", far, labels(shape)),
      bce_row("one logit", f32({1, 1}), soft_labels({1, 1})),
      bce_row("enough for several threads", f32({300, 81}), labels({300, 81})),
      ce_row("one label", near, one_hot(shape)),
      ce_row("targets that do not sum to one", near, soft_labels(shape)),
      ce_row("far logits", far, one_hot(shape)),
      ce_row("one image, two classes", f32({1, 2}), one_hot({1, 2})),
      ce_row("enough for several threads", f32({200, 100}), one_hot({200, 100})),
      single_row("default", near, {}),
      single_row("no smoothing", near, {.smoothing = 0}),
      single_row("both gammas", near, {.gamma_neg = 2, .gamma_pos = 1}),
      single_row("no focusing", near, {.gamma_neg = 0, .gamma_pos = 0}),
      single_row("fractional gammas", near, {.gamma_neg = 1.5f, .gamma_pos = 0.5f}),
      single_row("one image, two classes", f32({1, 2}), {}),
      single_row("enough for several threads", f32({100, 100}), {}),
      weighted_bce_row("weighted elements", shape),
      weighted_bce_row("weighted elements, several threads", {300, 81}),
      weighted_single_row("weighted elements", shape, {}),
      weighted_single_row("weighted elements, one picture", {1, 130}, {.gamma_pos = 1}),
  };
}

// Inputs: scores, variances (none: the ranking alone), targets, words, weights (none: all are 1).
OpCase sdl_row(const std::string& what, const Input& scores, const Input& targets, int64_t D,
               float weight, bool weighted = false) {
  const Shape& shape = scores.shape;
  const bool regularised = weight >= 0;
  const SdlSpec s{.weight = std::max(weight, 0.0f)};
  Input variances = f32({shape[0], D}, uniform(0, 1));
  if (weight <= 0) {
    variances = variances.constant();  // their gradient is zero
  }
  return {"sdl_loss, " + what,
          {scores, variances, targets, f32({shape[1], D}, uniform(-0.2, 0.2)).constant(),
           weights(shape)},
          [=](auto& v) {
            return sdl_loss(v[0], regularised ? v[1] : Var{}, v[2].value, v[3].value, s,
                            weighted ? v[4].value : Tensor{});
          },
          [=](auto& a) {
            return spec::sdl_loss(a[0], regularised ? a[1] : spec::kNoWeights, a[2], a[3],
                                  static_cast<double>(s.weight),
                                  weighted ? a[4] : spec::kNoWeights);
          }};
}

std::vector<OpCase> sdl_rows() {
  const Shape shape{3, 7};
  const Input near = f32(shape, uniform(-2, 2));
  const auto constant = [](const Shape& s, double value) {
    return f32(s, uniform(value, value)).constant();
  };
  const Input none_first = f32({3, 4}, [](RandomStream&, int64_t i, const Shape&) {
    return i >= 4 && i % 3 == 0 ? 1.0 : 0.0;  // the first picture shows nothing
  }).constant();
  return {
      sdl_row("the paper's", near, labels(shape), 5, 0.3f),
      sdl_row("without the variances", near, labels(shape), 5, -1),
      sdl_row("lambda 0 doubles", near, labels(shape), 5, 0),
      sdl_row("one label a picture", near, one_hot(shape), 5, 0.3f),
      sdl_row("no absent label", near, constant(shape, 1), 5, 0.3f),
      sdl_row("a picture without labels", f32({3, 4}), none_first, 2, 0.3f),
      sdl_row("far scores", f32(shape, uniform(-80, 80)), labels(shape), 5, 0.01f),
      sdl_row("labels that do not count", near, labels(shape), 5, 0.3f, true),
      sdl_row("one class, one number", f32({2, 1}), constant({2, 1}, 1), 1, 0.5f),
      sdl_row("more classes than threads", f32({2, 150}), labels({2, 150}), 140, 0.3f),
  };
}

}  // namespace

TEST_CASE("asymmetric loss: forward and gradients") { check_rows(asl_rows()); }
TEST_CASE("asymmetric loss: planted errors are noticed") { check_planted_errors(asl_rows()); }
TEST_CASE("other losses: forward and gradients") { check_rows(other_rows()); }
TEST_CASE("other losses: planted errors are noticed") { check_planted_errors(other_rows()); }
TEST_CASE("semantic diversity: forward and gradients") { check_rows(sdl_rows()); }
TEST_CASE("semantic diversity: planted errors are noticed") { check_planted_errors(sdl_rows()); }

TEST_CASE("losses stay finite where float32 saturates") {
  const std::vector<float> extreme = {1e4f, -1e4f, 200, -200, 0, 88};
  const std::vector<float> target = {0, 1, 1, 0, 1, 0};
  const Tensor y = Tensor::from({1, 6}, target);
  const auto finite = [&](const auto& loss_of) {
    Tape tape;
    const Var x = tape.variable(Tensor::from({1, 6}, extreme));
    const Var loss = loss_of(x);
    tape.backward(sum(loss));
    bool all = std::isfinite(sum(loss).value.item());
    for (const float g : tape.grad(x).to_vector()) {
      all = all && std::isfinite(g);
    }
    return all;
  };
  for (const bool detach : {true, false}) {
    CHECK(finite([&](const Var& x) { return asymmetric_loss(x, y, {.detach_weights = detach}); }));
    CHECK(finite([&](const Var& x) {
      return asymmetric_loss(x, y, {.gamma_pos = 0.5f, .clip = 0, .detach_weights = detach});
    }));
  }
  CHECK(finite([&](const Var& x) { return binary_cross_entropy(x, y); }));
  CHECK(finite([&](const Var& x) { return cross_entropy(x, y); }));
  CHECK(finite([&](const Var& x) { return sdl_loss(x, {}, y, Tensor::zeros({6, 1})); }));
  const std::vector<float> one = {0, 1, 0, 0, 0, 0};
  CHECK(finite([&](const Var& x) { return asl_single_label(x, Tensor::from({1, 6}, one)); }));
}

}  // namespace mld::test
