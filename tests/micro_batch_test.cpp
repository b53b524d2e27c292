// How an update treats its batch: parts add up to the whole whatever the loss, every part draws its
// own dropout, the model sees normalised pixels, and clipping, rates and clearing of gradients.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "nn/init.h"
#include "nn/layers.h"
#include "tests/op_case.h"
#include "train/training_step.h"

namespace mld::test {
namespace {

constexpr int64_t kSide = 3, kPixels = kSide * kSide * 3, kClasses = 4;

// A linear classifier of pixels: without batch norm, parts must add up exactly.
struct Linears : Module {
  Linear fc{kPixels, kClasses};
  void each(Visitor& v) override { v("fc", fc); }
};

// Pictures of noise, or all of one kind; one label each.
Batch batch_of(int64_t n, bool all_alike = false) {
  Batch batch{.images = Tensor({n, kSide, kSide, 3}, DType::u8),
              .targets = Tensor::zeros({n, kClasses}), .indices = {}};
  for (int64_t i = 0; i < batch.images.numel(); ++i) {
    const auto draw = static_cast<uint64_t>(all_alike ? i % kPixels : i);
    batch.images.data<uint8_t>()[i] =
        static_cast<uint8_t>(255 * random_uniform({.seed = 7, .step = 0}, draw));
  }
  for (int64_t i = 0; i < n; ++i) {
    batch.targets.data<float>()[i * kClasses + (all_alike ? 1 : i % kClasses)] = 1;
  }
  return batch;
}

// A model, and everything needed to train it without momentum or decay.
struct Training {
  Linears model;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<std::vector<float>> logits, seen;  // of every part: results, pictures
  std::unique_ptr<Objective> objective;
  std::unique_ptr<TrainingStep> step;
  int64_t steps = 0;

  explicit Training(const Config& config, float dropout_p = 0, Device device = {}) {
    initialize(model, 3);
    to(model, device);
    set_training(model, true);
    optimizer = make_optimizer({.name = "sgd", .weight_decay = 0}, model);
    const auto forward = [this, dropout_p](const Var& images, const Tap&) {
      const Var flat = reshape(images, {images.shape()[0], kPixels});
      const Var out = dropout(model.fc(flat), dropout_p);
      seen.push_back(images.value.to_vector());
      logits.push_back(out.value.to_vector());
      return out;
    };
    objective = std::make_unique<Classification>(
        Classification::Spec{.loss = config.loss, .normalize = config.preprocess.normalize},
        forward);
    step = std::make_unique<TrainingStep>(
        update_spec(config), device,
        TrainingStep::Members{.model = model, .objective = *objective, .optimizer = *optimizer});
  }
  TrainingStep::Result update(const Batch& batch, double lr) {
    step->queue(batch, {.lr = lr, .beta1 = 0}, steps++);
    return step->result();
  }
  std::vector<float> weights() {
    std::vector<float> all;
    for (const auto& [name, tensor] : state_dict(model)) {
      const std::vector<float> values = tensor.to_vector();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
};

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  }
  return std::sqrt(sum);
}

Config config_of(const std::string& loss, int64_t parts) {
  Config config;
  config.loss = loss_preset(loss);
  config.optim.grad_accum_steps = parts;
  return config;
}

}  // namespace

TEST_CASE("parts add up to the whole batch's loss and gradient, for every loss") {
  for (size_t i = 0; i < 2 * losses().size(); ++i) {
    const std::string loss(losses()[i / 2].name);
    const bool weighted = i % 2 == 1;
    if (losses()[i / 2].embeddings) {
      continue;  // tests/zero_shot_test.cpp
    }
    CAPTURE(loss);
    CAPTURE(weighted);
    Batch batch = batch_of(5);
    if (weighted) {
      batch.weights = Tensor::full(batch.targets.shape(), 1);
      batch.weights.data<float>()[1] = 0;
      batch.weights.data<float>()[13] = 3;
    }
    const auto config_of = [&](const std::string& name, int64_t parts) {
      Config config = test::config_of(name, parts);
      config.loss.class_weights.assign(weighted ? kClasses : 0, 1.5);
      return config;
    };
    Training whole(config_of(loss, 1));
    const std::vector<float> before = whole.weights();
    const TrainingStep::Result expected = whole.update(batch, 1);
    CHECK(expected.loss > 0.1);
    CHECK(distance(whole.weights(), before) > 0.01);
    for (const int64_t parts : {2, 5, 7}) {  // of 2 and 3; of 1; more than pictures
      CAPTURE(parts);
      Training training(config_of(loss, parts));
      const TrainingStep::Result result = training.update(batch, 1);
      CHECK(training.seen.size() == static_cast<size_t>(std::min<int64_t>(parts, 5)));
      CHECK(result.loss == doctest::Approx(expected.loss).epsilon(1e-5));
      CHECK(result.gradient_norm == doctest::Approx(expected.gradient_norm).epsilon(1e-5));
      CHECK(distance(training.weights(), whole.weights()) < 1e-5);
    }
  }
}

TEST_CASE("every part of every update draws its own dropout, and draws it again on resume") {
  for (const Device device : devices()) {
    Training training(config_of("bce", 3), 0.5f, device);
    for (int i = 0; i < 3; ++i) {
      training.update(batch_of(6, true), 0);  // only the draw can differ
    }
    const std::set<std::vector<float>> different(training.logits.begin(), training.logits.end());
    CHECK(different.size() == 9);
    // Rows of one part differ too: two equal pictures, each with its own mask.
    const std::vector<float>& first = training.logits[0];
    CHECK_FALSE(std::equal(first.begin(), first.begin() + kClasses, first.begin() + kClasses));
    Training resumed(config_of("bce", 3), 0.5f, device);
    resumed.steps = 2;
    resumed.update(batch_of(6, true), 0);
    CHECK(std::equal(resumed.logits.begin(), resumed.logits.end(), training.logits.begin() + 6));
  }
}

TEST_CASE("the model sees normalised pixels, each picture once and in order") {
  const Batch batch = batch_of(5);
  for (const bool imagenet : {false, true}) {
    Config config = config_of("bce", 2);
    config.preprocess.normalize = imagenet ? Normalize::imagenet : Normalize::none;
    Training training(config);
    training.update(batch, 0);
    std::vector<float> seen;
    for (const std::vector<float>& part : training.seen) {
      seen.insert(seen.end(), part.begin(), part.end());
    }
    REQUIRE(seen.size() == static_cast<size_t>(batch.images.numel()));
    const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
    for (size_t i = 0; i < seen.size(); ++i) {
      const double value = batch.images.data<uint8_t>()[i] / 255.0;
      const double expected = imagenet ? (value - mean[i % 3]) / std[i % 3] : value;
      CHECK(seen[i] == doctest::Approx(expected).epsilon(1e-5));
    }
  }
}

TEST_CASE("the norm is that of the whole gradient, before clipping, and each update's own") {
  const Batch batch = batch_of(4);
  Training plain(config_of("bce", 2));
  const std::vector<float> start = plain.weights();
  const float norm = plain.update(batch, 0).gradient_norm;
  CHECK(plain.update(batch, 0).gradient_norm == norm);  // nothing is left of the first
  CHECK(plain.weights() == start);
  plain.update(batch, 0.5);  // w -= lr * g
  CHECK(distance(plain.weights(), start) == doctest::Approx(0.5 * static_cast<double>(norm)));
  Config config = config_of("bce", 2);
  for (const double limit : {0.25, 1e6}) {
    CAPTURE(limit);
    config.optim.clip_grad = limit;
    Training clipped(config);
    CHECK(clipped.update(batch, 0.5).gradient_norm == doctest::Approx(norm));
    const double expected = 0.5 * std::min(limit, static_cast<double>(norm));
    CHECK(distance(clipped.weights(), start) == doctest::Approx(expected).epsilon(1e-4));
  }
}

TEST_CASE("targets are smoothed and cut before the loss sees them") {
  // All logits are 0: binary cross entropy is then log 2 whatever the targets, its gradient
  // (1/2 - target) / (N K), so the bias moves by what the targets were.
  const auto targets_of = [](double smoothing, double threshold) {
    Config config = config_of("bce", 1);
    config.loss.smoothing = smoothing;
    config.loss.target_threshold = threshold;
    Training training(config);
    training.model.fc.weight.value = Tensor::zeros(training.model.fc.weight.value.shape());
    training.model.fc.bias->value = Tensor::zeros({kClasses});
    training.update(batch_of(1), kClasses);
    std::vector<float> targets = training.model.fc.bias->value.to_vector();
    for (float& value : targets) {
      value += 0.5f;
    }
    return targets;
  };
  const auto near = [](const std::vector<float>& a, const std::vector<float>& b) {
    return distance(a, b) < 1e-6;
  };
  CHECK(near(targets_of(0, 0), {1, 0, 0, 0}));
  CHECK(near(targets_of(0.2, 0), {0.85f, 0.05f, 0.05f, 0.05f}));  // 1 - s + s / K, s / K
  CHECK(near(targets_of(0.2, 0.04), {1, 1, 1, 1}));
  CHECK(near(targets_of(0.2, 0.06), {1, 0, 0, 0}));
  CHECK(near(targets_of(0, 1), {0, 0, 0, 0}));  // strictly above
}

}  // namespace mld::test
