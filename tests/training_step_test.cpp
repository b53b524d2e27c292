// One update, captured and not: the same bits, whatever changes from step to step; and the memory
// of a captured update is its own.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "nn/attention.h"
#include "nn/layers.h"
#include "tests/op_case.h"
#include "tests/reference.h"
#include "train/training_step.h"

namespace mld::test {
namespace {

constexpr int64_t kClasses = 5, kSide = 6;

// Convolution, batch norm with its running statistics and counter, attention, dropout in two
// places.
struct Small : Module {
  Conv2d conv{3, 8, 3, {.stride = 2, .pad = 1}};
  BatchNorm2d norm{8};
  MultiheadAttention attention;
  Linear fc{8, kClasses};
  float p;

  // Dropout's p for attention's probabilities and for the features.
  Small(float attention_p, float p_) : attention(8, 2, attention_p), p(p_) {}

  void each(Visitor& v) override {
    v("conv", conv);
    v("norm", norm);
    v("attention", attention);
    v("fc", fc);
  }
  Var operator()(const Var& images) {
    const Var map = norm(conv(images), {Act::relu});
    const Shape& s = map.shape();
    const Var tokens = reshape(map, {s[0], s[1] * s[2], s[3]});
    return fc(dropout(mean_tokens(attention(tokens, tokens)), p));
  }
};

Batch batch_of(int64_t n, uint64_t number) {
  Batch batch{.images = Tensor({n, kSide, kSide, 3}, DType::u8),
              .targets = Tensor({n, kClasses}), .weights = Tensor({n, kClasses})};
  for (int64_t i = 0; i < batch.images.numel(); ++i) {
    const float draw = random_uniform({.seed = 7, .step = number}, static_cast<uint64_t>(i));
    batch.images.data<uint8_t>()[i] = static_cast<uint8_t>(255 * draw);
  }
  for (int64_t i = 0; i < batch.targets.numel(); ++i) {
    const float draw = random_uniform({.seed = 8, .step = number}, static_cast<uint64_t>(i));
    batch.targets.data<float>()[i] = draw < 0.3f ? 1.0f : 0.0f;
    batch.weights.data<float>()[i] = draw * 4;
  }
  return batch;
}

Classification objective_of(const Config& config, Small& model) {
  return {{.loss = config.loss},
          [&model](const Var& images, const Tap&) { return model(images); }};
}

// The state after some updates: every tensor of model, average and optimiser, and the results.
struct Outcome {
  std::vector<std::vector<float>> tensors;
  std::vector<float> results;
  bool captured = false;
};

Outcome train(const Config& config, Device device, const std::vector<int64_t>& batch_sizes) {
  Small model(0.3f, 0.4f);
  initialize(model, 3);
  to(model, device);
  set_training(model, true);
  const auto optimizer = make_optimizer({.name = config.optim.name}, model);
  Ema average(model, 0.8);
  Classification objective = objective_of(config, model);
  TrainingStep step(update_spec(config), device,
                    {.model = model, .objective = objective, .optimizer = *optimizer,
                     .average = &average});
  Outcome outcome;
  const auto take = [&] {
    const TrainingStep::Result result = step.result();
    outcome.results.insert(outcome.results.end(),
                           {static_cast<float>(result.loss), result.gradient_norm});
  };
  std::vector<Tensor> others;
  size_t under_way = 0;
  for (size_t i = 0; i < batch_sizes.size(); ++i) {
    const double now = static_cast<double>(i);
    step.queue(batch_of(batch_sizes[i], i), {.lr = 0.01 * (1 + now), .beta1 = 0.9 - 0.01 * now},
               static_cast<int64_t>(i));
    for (++under_way; under_way > step.lag(); --under_way) {
      take();
    }
    // Unrelated tensors: a replay must not write to them.
    for (const Tensor& other : others) {
      CHECK(other.to_vector() == std::vector<float>(static_cast<size_t>(other.numel()), 42.0f));
    }
    others.clear();
    for (int64_t n = 1; n < 5000; n += 37) {
      others.push_back(Tensor::full({n}, 42).to(device));  // a copy: the emulator is slow to fill
    }
  }
  for (; under_way > 0; --under_way) {
    take();
  }
  for (const StateDict& state : {state_dict(model), average.state(), optimizer->state()}) {
    for (const auto& [name, tensor] : state) {
      outcome.tensors.push_back(tensor.to_vector());
    }
  }
  outcome.captured = step.captured();
  return outcome;
}

Config small_config(const std::string& optimizer) {
  Config config;
  config.optim.name = optimizer;
  config.optim.clip_grad = 0.5;
  config.optim.grad_accum_steps = 2;
  config.loss.gamma_neg = 2;
  return config;
}

}  // namespace

TEST_CASE("a captured update replays to the bits of one that is not, for every optimiser") {
  for (const std::string name : {"adam_l2", "adamw", "sgd", "lamb", "lamb_v3"}) {
    for (const Device device : devices()) {
      CAPTURE(name);
      Config config = small_config(name);
      // A batch of another size in between runs as usual.
      const std::vector<int64_t> sizes{4, 4, 4, 4, 1, 3, 4, 4};
      const Outcome plain = train(config, device, sizes);
      config.train.cuda_graph = true;
      const Outcome replayed = train(config, device, sizes);
      CHECK(replayed.captured == !device.is_cpu());
      CHECK_FALSE(plain.captured);
      CHECK(plain.results == replayed.results);
      CHECK(plain.tensors == replayed.tensors);
      CHECK(plain.results.size() == 2 * sizes.size());
      for (const float value : plain.results) {
        CHECK(std::isfinite(value));
      }
    }
  }
}

TEST_CASE("dropout draws anew in every update, wherever it is, replayed or not") {
  struct Row {
    float attention_p, p;
  };
  for (const Device device : devices()) {
    for (const auto [attention_p, p] : {Row{0.3f, 0}, Row{0, 0.4f}, Row{0, 0}}) {
      for (const bool graph : {false, true}) {
        CAPTURE(attention_p);
        CAPTURE(p);
        CAPTURE(graph);
        Config config = small_config("sgd");
        config.train.cuda_graph = graph;
        Small model(attention_p, p);
        initialize(model, 3);
        to(model, device);
        set_training(model, true);
        const auto optimizer = make_optimizer({.name = "sgd", .weight_decay = 0}, model);
        Classification objective = objective_of(config, model);
        TrainingStep step(update_spec(config), device,
                          {.model = model, .objective = objective, .optimizer = *optimizer});
        std::vector<double> losses;
        for (int64_t i = 0; i < 6; ++i) {  // nothing else changes
          step.queue(batch_of(4, 1), {.lr = 0, .beta1 = 0}, i);
          losses.push_back(step.result().loss);
        }
        for (size_t i = 1; i < losses.size(); ++i) {
          CHECK((losses[i] != losses[i - 1]) == (attention_p > 0 || p > 0));
        }
      }
    }
  }
}

TEST_CASE("a step queue: inputs by turns, results in order") {
  for (const Device device : devices()) {
    const auto queue = make_step_queue(device);
    CHECK_ERROR(Error, "step queue: result() without a download() in flight", queue->result());
    for (float i = 0; i < 6; ++i) {
      const std::vector<Tensor> inputs =
          queue->upload({Tensor::full({3}, i), Tensor::full({2, 2}, -i)});
      CHECK(inputs[0].device() == device);
      CHECK(inputs[1].shape() == Shape{2, 2});
      queue->download(inputs[0]);
    }
    for (float i = 0; i < 6; ++i) {
      CHECK(queue->result() == std::vector<float>{i, i, i});
    }
    CHECK_ERROR(Error, "step queue: result() without a download() in flight", queue->result());
  }
}

TEST_CASE("inputs stay as they are while work that was queued still reads them") {
  for (const Device device : devices()) {
    const bool real = !device.is_cpu() && std::getenv("MLD_CUDA_PLUGIN") == nullptr;
    const int64_t n = real ? int64_t{32} << 20 : 100;
    const auto queue = make_step_queue(device);
    constexpr int kSteps = 6;
    std::vector<Tensor> sums;  // as queued: nothing waits before the end
    for (int step = 0; step < kSteps; ++step) {
      const Tensor input = queue->upload({Tensor::full({n}, static_cast<float>(step))})[0];
      Tensor sum = Tensor::zeros({n}, DType::f32, device), other = sum.like();
      for (int i = 0; i < 10; ++i) {
        KERNEL(device, add)(sum, input, other);
        std::swap(sum, other);
      }
      sums.push_back(sum);
    }
    for (int step = 0; step < kSteps; ++step) {
      const std::vector<float> values = sums[static_cast<size_t>(step)].to_vector();
      CHECK(values.front() == static_cast<float>(10 * step));
      CHECK(values.back() == static_cast<float>(10 * step));
    }
  }
}

TEST_CASE("capture: only on a GPU; a tensor that stays behind is an error, and costs no memory") {
  for (const Device device : devices()) {
    const auto queue = make_step_queue(device);
    Tensor kept;
    const auto keep_one = [&] { kept = Tensor::full({100}, 1, DType::f32, device); };
    if (device.is_cpu()) {
      CHECK_ERROR(Error, "step queue: the CPU has no launches to capture",
                  queue->capture(keep_one));
      continue;
    }
    const size_t before = memory_pool(device).stats().in_use;
    CHECK_ERROR(Error, "memory pool: 1 of the blocks allocated since watch() are still in use",
                queue->capture(keep_one));
    kept = {};
    CHECK(memory_pool(device).stats().in_use == before);
    Tensor sum = Tensor::zeros({1000}, DType::f32, device);
    auto work = queue->capture([&] {
      const Tensor one = Tensor::full({1000}, 1, DType::f32, device);
      const Tensor more = sum.like();
      Tensor out = more;
      KERNEL(device, add)(sum, one, out);
      KERNEL(device, copy)(more, sum);
    });
    CHECK(sum.to_vector()[999] == 0);  // captured, not run
    const Tensor other = Tensor::full({1000}, 5, DType::f32, device);
    for (int i = 0; i < 3; ++i) {
      work->replay();
    }
    CHECK(sum.to_vector()[999] == 3);
    CHECK(other.to_vector()[0] == 5);
    work.reset();
    CHECK(memory_pool(device).stats().in_use ==
          before + 2 * MemoryPool::size_class(1000 * sizeof(float)));
  }
}

}  // namespace mld::test
