// The loss of classes and captions: its parts by hand, micro-batches, gradients.
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "nn/init.h"
#include "tests/caption_learning.h"
#include "tests/reference.h"

namespace mld::test {
namespace {

CaptionSpec weights(double alpha, double beta, bool equal_captions = false) {
  CaptionSpec spec;
  spec.alpha = alpha;
  spec.beta = beta;
  spec.equal_captions = equal_captions;
  return spec;
}

using Rows = std::vector<std::vector<double>>;

// rows [N, C] times matrix [C, O], each row divided by its length.
Rows projected(const Tensor& rows, const Tensor& matrix) {
  const std::vector<double> x = doubles(rows), w = doubles(matrix);
  const auto C = static_cast<size_t>(matrix.shape()[0]), O = static_cast<size_t>(matrix.shape()[1]);
  Rows result;
  for (size_t n = 0; n < x.size() / C; ++n) {
    std::vector<double> y(O);
    for (size_t c = 0; c < C; ++c) {
      for (size_t o = 0; o < O; ++o) {
        y[o] += x[n * C + c] * w[c * O + o];
      }
    }
    const double length = std::sqrt(std::inner_product(y.begin(), y.end(), y.begin(), 0.0));
    std::ranges::for_each(y, [length](double& v) { v /= length; });
    result.push_back(y);
  }
  return result;
}

// Mean cross-entropies of rows and of columns, halved and added; targets as pair_targets().
double contrastive_by_hand(const Rows& pictures, const Rows& texts, double scale,
                           const std::vector<double>& targets) {
  const size_t N = pictures.size();
  const auto score = [&](size_t i, size_t j) {
    const std::vector<double> &p = pictures[i], &t = texts[j];
    return scale * std::inner_product(p.begin(), p.end(), t.begin(), 0.0);
  };
  double loss = 0;
  for (size_t i = 0; i < N; ++i) {
    double row = 0, column = 0;
    for (size_t j = 0; j < N; ++j) {
      row += std::exp(score(i, j));
      column += std::exp(score(j, i));
    }
    for (size_t j = 0; j < N; ++j) {
      loss -= targets[i * N + j] * (score(i, j) - std::log(row)) / 2;
      loss -= targets[i * N + j] * (score(j, i) - std::log(column)) / 2;
    }
  }
  return loss / static_cast<double>(N);
}

// The contrastive loss of some pictures of the batch.
double contrastive_by_hand(Learning& learning, const Batch& batch, int64_t begin, int64_t end,
                           bool equal_captions) {
  ClipDecoder& head = learning.head();
  const Tokenizer tokenizer(vocabulary());
  const Strings captions(kCaptions.begin() + begin, kCaptions.begin() + end);
  const Tensor texts = head.text(Var(caption_tokens(tokenizer, captions))).value;
  const Tensor memory =
      mean_tokens(head.decoder.memory(normalised(batch))).value.rows(begin, end);
  const auto scale = static_cast<double>(std::exp(head.projections.temperature.value.item()));
  const ContrastiveProjections& to = head.projections;
  return contrastive_by_hand(
      projected(memory, to.W_img.value), projected(texts, to.W_txt.value), scale,
      doubles(equal_captions ? pair_targets(captions) : pair_targets(end - begin)));
}

}  // namespace

TEST_CASE("clip_decoder: the loss is beta times the classes' plus alpha times the captions'") {
  const Batch batch = pictures();
  const double classes = Learning(small_spec(false), weights(0, 1)).loss(batch);
  CHECK(classes > 0.1);
  for (const bool equal : {false, true}) {
    for (const bool fork : {false, true}) {
      CAPTURE(equal);
      CAPTURE(fork);
      ModelSpec spec = small_spec(false);
      spec.clip.fork_compat = fork;
      Learning learning(spec, weights(0.7, 0.3, equal));
      CHECK(learning.head().projections.temperature.value.item() ==
            doctest::Approx(fork ? 0.1 : std::log(1 / 0.07)));
      const double pairs = contrastive_by_hand(learning, batch, 0, 6, equal);
      CHECK(learning.loss(batch) == relative(0.3 * classes + 0.7 * pairs, 1e-5));
    }
  }
}

TEST_CASE("clip_decoder: parts compare their own pictures and captions, and count by their size") {
  const Batch batch = pictures();
  Learning learning(small_spec(false), weights(1, 0));
  const double parts = contrastive_by_hand(learning, batch, 0, 3, false) / 2 +
                       contrastive_by_hand(learning, batch, 3, 6, false) / 2;
  CHECK(learning.loss(batch, 2) == relative(parts, 1e-5));
  CHECK(learning.loss(batch, 1) != relative(parts, 1e-2));
}

TEST_CASE("asl: the sum over a batch, or that per picture, also in parts") {
  const Batch batch = pictures();
  Learning sum(small_spec(false), weights(0, 1)), mean(small_spec(false), weights(0, 1));
  Config config = mean.config;
  config.loss.reduction = Reduction::sum_over_batch;
  mean.objective = make_objective(config, *mean.model, space_of(kNames), space_of(kMore));
  const double whole = sum.loss(batch);
  CHECK(mean.loss(batch) == relative(whole / 6, 1e-5));
  CHECK(mean.loss(batch, 3) == relative(whole / 6, 1e-5));
}

TEST_CASE("clip_decoder: gradients of all parts, the text encoder's too") {
  const Batch batch = pictures();
  Learning learning(small_spec(true), weights(2, 1));
  learning.config.loss = loss_preset("bce");  // asl's gradient leaves its weights out
  learning.objective = make_objective(learning.config, *learning.model, space_of(kNames),
                                      space_of(kMore));
  // Far from the initial values, which leave some gradients close to zero.
  RandomStream random({3, 0, 1});
  for (const auto& [name, p] : parameters(*learning.model)) {
    for (int64_t i = 0; i < p->value.numel(); ++i) {
      p->value.data<float>()[i] += static_cast<float>(0.02 * random.normal());
    }
  }
  fill(learning.head().projections.temperature, 0.5f);
  clear_gradients(*learning.model);
  learning.loss(batch);
  for (const std::string part : {"fc.text.token_embedding", "fc.text.text_projection",
                           "fc.text.transformer", "fc.wordvec_proj", "fc.W_img", "fc.W_txt",
                           "fc.temperature", "fc.decoder.embed_standart"}) {
    CAPTURE(part);
    std::vector<Parameter*> moved;
    double norm = 0;
    for (const auto& [name, p] : parameters(*learning.model)) {
      if (name.starts_with(part)) {
        REQUIRE(p->grad.defined());
        const std::vector<double> grad = doubles(p->grad);
        norm += std::inner_product(grad.begin(), grad.end(), grad.begin(), 0.0);
        moved.push_back(p);
      }
    }
    REQUIRE(norm > 1e-8);
    // Along the gradient, where the difference is largest.
    const auto step = [&](double by) {
      for (Parameter* p : moved) {
        for (int64_t i = 0; i < p->value.numel(); ++i) {
          p->value.data<float>()[i] +=
              static_cast<float>(by / std::sqrt(norm)) * p->grad.data<float>()[i];
        }
      }
    };
    constexpr double kStep = 0.002;
    const auto value = [&](double by) {
      step(by);
      const LossTargets targets = learning.objective->targets(batch);
      Tape tape({.seed = 1, .step = 1});
      const Var loss = learning.objective->loss(tape, batch.images, targets, 1);
      step(-by);
      return static_cast<double>(loss.value.item());
    };
    const double slope = (value(kStep) - value(-kStep)) / (2 * kStep);
    CHECK(slope == relative(std::sqrt(norm), 0.02));
  }
}

}  // namespace mld::test
