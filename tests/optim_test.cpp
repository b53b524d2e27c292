// Optimisers, schedules and the moving average. tests/parity compares them with the published ones.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "nn/layers.h"
#include "optim/ema.h"
#include "optim/optimizer.h"
#include "reference.h"

namespace mld {
namespace {

// Free-standing parameters under the fixtures' names.
struct Tensors : Module {
  std::vector<std::pair<std::string, std::unique_ptr<Parameter>>> members;

  void add(const std::string& name, const Tensor& value) {
    members.emplace_back(name, std::make_unique<Parameter>(value.shape()));
    members.back().second->value = value;
  }
  void each(Visitor& v) override {
    for (auto& [name, p] : members) {
      v(name, *p);
    }
  }
};

Tensors start(const SafeTensorsFile& file) {
  Tensors tensors;
  for (const char* name : {"w1", "b1", "w2", "frozen_like"}) {
    tensors.add(name, file.at(std::string("p0/") + name).to_tensor());
  }
  return tensors;
}

void set_gradients(Tensors& tensors, const SafeTensorsFile& file, int step) {
  for (auto& [name, p] : tensors.members) {
    p->grad = file.at(fmt::format("grad/{}/{}", step, name)).to_tensor();
  }
}

void scale(const std::vector<TrainedParameter>& trained, float factor) {
  for (const TrainedParameter& t : trained) {
    Tensor scaled = t.parameter->grad.like();
    KERNEL(Device{}, scale)(t.parameter->grad, factor, scaled);
    t.parameter->grad = scaled;
  }
}

TEST_CASE("LAMB of the A2 recipe clips the gradients of all tensors together to norm 1") {
  const SafeTensorsFile file(reference::fixture("opt_lamb_timm.safetensors"));
  const auto run = [&](const char* name, bool clip_before) {
    Tensors tensors = start(file);
    const auto lamb = make_optimizer({.name = name, .weight_decay = 0.02}, tensors);
    for (int t = 0; t < 3; ++t) {
      set_gradients(tensors, file, t);
      scale(lamb->trained_parameters(), t == 1 ? 100.0f : 1.0f);
      if (clip_before) {
        const std::vector<TrainedParameter>& trained = lamb->trained_parameters();
        scale(trained, 1 / std::max(1.0f, gradient_norm(trained).item()));
      }
      lamb->step({0.004, 0.9});
    }
    return tensors.members[0].second->value.to_vector();
  };
  CHECK_EQ(run("lamb", false), run("lamb", true));
  CHECK_NE(run("lamb_v3", false), run("lamb_v3", true));  // so the check above can fail
}

TEST_CASE("schedules: cosine is constant within an epoch; a cool-down comes on top") {
  const Schedule schedule{.spec = {.name = "cosine", .warmup_epochs = 5, .cooldown_epochs = 10},
                          .lr = 4e-3, .beta1 = 0.7, .epochs = 20, .steps_per_epoch = 3};
  CHECK_EQ(all_epochs(schedule.spec, schedule.epochs), 30);
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    for (int64_t step = 0; step < 3; ++step) {
      const Rates now = schedule.at(3 * epoch + step);
      CHECK_EQ(now.lr, schedule.at(3 * epoch).lr);
      CHECK_EQ(now.beta1, 0.7);
    }
    CHECK_NE(schedule.at(3 * epoch + 3).lr, schedule.at(3 * epoch).lr);
  }
}

TEST_CASE("schedules: constant, the shortest cycles, unknown names") {
  const Schedule schedule{.spec = {.name = "constant", .warmup_epochs = 2, .warmup_lr = 0.1},
                          .lr = 0.5, .beta1 = 0.9, .steps_per_epoch = 2};
  CHECK_EQ(schedule.at(1).lr, doctest::Approx(0.1));
  CHECK_EQ(schedule.at(2).lr, doctest::Approx(0.3));
  CHECK_EQ(schedule.at(99).lr, 0.5);
  for (int64_t T = 1; T <= 12; ++T) {  // e1 and e2 may be zero or negative
    for (int64_t t = 0; t <= T; ++t) {
      const Rates now = Schedule{.spec = {.pct_start = 0.25}, .lr = 1, .epochs = T}.at(t);
      CHECK(std::isfinite(now.lr));
      CHECK_GE(now.lr, 0);
      CHECK_LE(now.lr, 1);
    }
  }
  CHECK_ERROR(UsageError,
              "schedule.name: unknown name \"linear\"; known are onecycle, cosine, constant, step",
              Schedule{.spec = {.name = "linear"}}.at(0));
}

TEST_CASE("schedules: steps fall by a factor, counted from the first epoch, warm-up included") {
  const Schedule schedule{.spec = {.name = "step", .warmup_epochs = 2, .warmup_lr = 0.01,
                                   .step_epochs = 3, .step_factor = 0.5},
                          .lr = 0.8, .beta1 = 0.9, .epochs = 9, .steps_per_epoch = 2};
  const double expected[] = {0.01, 0.405, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2, 0.2};
  for (int64_t t = 0; t < 18; ++t) {
    CHECK_EQ(schedule.at(t).lr, doctest::Approx(expected[t / 2]));
    CHECK_EQ(schedule.at(t).beta1, 0.9);
  }
}

TEST_CASE("the schedules' table: what warms up, cools down and lasts longer") {
  for (const ScheduleRow& row : schedules()) {
    CAPTURE(row.name);
    const Schedule schedule{.spec = {.name = std::string(row.name), .warmup_epochs = 2,
                                     .warmup_lr = 0.001, .cooldown_epochs = 3},
                            .lr = 1, .epochs = 10, .steps_per_epoch = 2};
    const bool warm = schedule.at(0).lr == 0.001 && std::abs(schedule.at(2).lr - 0.5005) < 1e-9;
    CHECK_EQ(warm, row.warms_up);
    CHECK_EQ(all_epochs(schedule.spec, 10), row.cools_down ? 13 : 10);
  }
}

TEST_CASE("weight decay: matrices only; frozen parameters are left alone") {
  struct Parts : Module {
    Linear linear{3, 2};
    LayerNorm norm{2};
    Parameter table{Shape{4, 2}}, weird_bias{Shape{2, 2}};
    void each(Visitor& v) override {
      v("linear", linear);
      v("norm", norm);
      v("table", table);
      v("two_d.bias", weird_bias);
    }
  } parts;
  parts.table.trainable = false;
  std::map<std::string, float> decay;
  for (const TrainedParameter& t : decay_groups(parts, 0.1f)) {
    decay[t.name] = t.weight_decay;
  }
  const std::map<std::string, float> expected{{"linear.weight", 0.1f}, {"linear.bias", 0},
                                              {"norm.weight", 0},      {"norm.bias", 0},
                                              {"two_d.bias", 0}};
  CHECK_EQ(decay, expected);
}

TEST_CASE("layers are counted as timm does: stem, blocks, what follows them, head") {
  CHECK_EQ(layers_of({"conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer1.0.bn1.weight",
                      "layer1.1.downsample.0.weight", "layer2.0.conv1.weight", "fc.weight",
                      "fc.decoder.layers.0.linear1.weight", "fc.bias"}),
           std::vector<int64_t>{0, 0, 1, 1, 2, 3, 4, 4, 4});
  CHECK_EQ(layers_of({"body.conv1.0.weight", "body.conv1.1.weight",
                      "body.layer1.0.conv1.0.0.weight", "body.layer1.10.se.fc1.bias",
                      "head.decoder.duplicate_pooling"}),
           std::vector<int64_t>{0, 0, 1, 2, 3});
  CHECK_EQ(layers_of({"conv_stem.weight", "bn1.weight", "blocks.0.0.conv_dw.weight",
                      "blocks.1.0.conv_pw.weight", "blocks.1.1.conv_pw.weight", "conv_head.weight",
                      "bn2.bias", "classifier.weight"}),
           std::vector<int64_t>{0, 0, 1, 2, 3, 4, 4, 5});
  CHECK_EQ(layers_of({"0.weight", "0.bias"}), std::vector<int64_t>{0, 0});
}

TEST_CASE("layer-wise decay scales every optimiser's rate, and with it AdamW's decay") {
  struct Net : Module {
    Linear stem{1, 1, false}, block{1, 1, false}, head{1, 1, false};
    void each(Visitor& v) override {
      v("conv1", stem);
      v("layer1.0", block);
      v("fc", head);
    }
  };
  for (const OptimizerRow& row : optimizers()) {
    CAPTURE(row.name);
    const OptimizerSpec spec{.name = std::string(row.name), .weight_decay = 0.5,
                             .layer_decay = 0.25};
    Net net;
    for (const auto& [name, p] : parameters(net)) {
      p->value = Tensor::full(p->shape, 2);
      p->grad = Tensor::full(p->shape, 0.25f);
    }
    make_optimizer(spec, net)->step({.lr = 0.01, .beta1 = 0.9});
    const double head = 2 - net.head.weight.value.item();
    CHECK_GT(head, 0.001);
    CHECK_EQ(2 - net.block.weight.value.item(), test::relative(head / 4, 1e-3));
    CHECK_EQ(2 - net.stem.weight.value.item(), test::relative(head / 16, 1e-2));
  }
}

TEST_CASE("Adam's default eps is 1e-8: a gradient of that size moves half as far") {
  for (const char* name : {"adam_l2", "adamw"}) {
    for (const auto& [eps, moved] : {std::pair{0.0, 0.5}, {3e-8, 0.25}}) {
      Tensors tensors;
      tensors.add("w", Tensor::full({1}, 1));
      tensors.members[0].second->grad = Tensor::full({1}, 1e-8f);
      make_optimizer({.name = name, .weight_decay = 0, .eps = eps}, tensors)->step({1, 0.9});
      CHECK_EQ(1 - tensors.members[0].second->value.item(), doctest::Approx(moved).epsilon(1e-4));
    }
  }
}

TEST_CASE("an optimiser's saved state continues bit for bit") {
  for (const char* name : {"adam_l2", "adamw", "sgd", "lamb", "lamb_v3"}) {
    CAPTURE(name);
    const SafeTensorsFile file(reference::fixture("opt_adam_l2.safetensors"));
    const OptimizerSpec spec{.name = name, .weight_decay = 0.01};
    const auto run = [&](Tensors& tensors, Optimizer& optimizer, int from, int until) {
      for (int t = from; t < until; ++t) {
        set_gradients(tensors, file, t);
        optimizer.step({0.01, 0.9});
      }
    };
    Tensors whole = start(file), first = start(file);
    const auto one = make_optimizer(spec, whole), two = make_optimizer(spec, first);
    run(whole, *one, 0, 10);
    run(first, *two, 0, 4);
    Tensors second;
    for (const auto& [n, p] : first.members) {
      second.add(n, p->value.clone());
    }
    const StateDict saved = two->state();
    run(first, *two, 4, 6);  // the saved state is a copy
    const auto three = make_optimizer(spec, second);
    three->load_state(saved);
    CHECK_EQ(three->steps(), 4);
    run(second, *three, 4, 10);
    for (size_t i = 0; i < whole.members.size(); ++i) {
      CHECK_EQ(whole.members[i].second->value.to_vector(),
               second.members[i].second->value.to_vector());
    }
    const StateDict a = one->state(), b = three->state();
    REQUIRE_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK_EQ(a[i].first, b[i].first);
      CHECK_EQ(a[i].second.to_vector(), b[i].second.to_vector());
    }
  }
}

TEST_CASE("errors: optimiser state and names") {
  const SafeTensorsFile file(reference::fixture("opt_adam_l2.safetensors"));
  Tensors tensors = start(file);
  const auto adam = make_optimizer({.name = "adam_l2"}, tensors);
  const auto sgd = make_optimizer({.name = "sgd"}, tensors);
  CHECK_ERROR(DataError, "optimizer state: m.w1 is missing", adam->load_state(sgd->state()));
  StateDict state = adam->state();
  state[1].second = Tensor::zeros({7});
  CHECK_ERROR(DataError, "optimizer state: m.w1 is float32 [7], expected float32 [5, 3]",
              adam->load_state(state));
  state = adam->state();
  state.emplace_back("extra", Tensor::zeros({1}));
  CHECK_ERROR(DataError,
              "optimizer state: unexpected entry extra; was it saved by another optimiser?",
              adam->load_state(state));
  CHECK_ERROR(UsageError,
              "optim.name: unknown name \"adamax\"; known are adam_l2, adamw, sgd, lamb, "
              "lamb_v3",
              make_optimizer({.name = "adamax"}, tensors));
}

TEST_CASE("clipping: the norm over all tensors; smaller gradients and NaN stay") {
  Tensors tensors;
  tensors.add("a", Tensor::zeros({2}));
  tensors.add("b", Tensor::zeros({1, 2}));
  tensors.add("without", Tensor::zeros({3}));
  const std::vector<TrainedParameter> group = decay_groups(tensors, 0);
  const auto set = [&](float x, float y) {
    tensors.members[0].second->grad = Tensor::full({2}, x);
    tensors.members[1].second->grad = Tensor::full({1, 2}, y);
  };
  set(3, 4);  // norm sqrt(2 * 9 + 2 * 16)
  CHECK_EQ(clip_gradients(group, 1.0f).item(), doctest::Approx(std::sqrt(50.0)));
  CHECK_EQ(gradient_norm(group).item(), doctest::Approx(1.0));
  CHECK_EQ(tensors.members[0].second->grad.to_vector()[0], doctest::Approx(3 / std::sqrt(50.0)));
  CHECK_EQ(clip_gradients(group, 2.0f).item(), doctest::Approx(1.0));  // below: nothing happens
  CHECK_EQ(gradient_norm(group).item(), doctest::Approx(1.0));
  set(1, std::numeric_limits<float>::quiet_NaN());
  CHECK(std::isnan(clip_gradients(group, 0.1f).item()));
  CHECK_EQ(tensors.members[0].second->grad.to_vector()[0], 1.0f);
}

// ---- the moving average -------------------------------------------------------------------------

// A model: a 1x1 convolution and a norm.
struct TinyNet : Module {
  Conv2d conv{2, 3, 1, {}, true};
  BatchNorm2d norm{3};
  void each(Visitor& v) override {
    v("0", conv);
    v("1", norm);
  }
};

TEST_CASE("EMA: values that stay are their own average, bit for bit; no value is an error") {
  TinyNet model;
  CHECK_ERROR(Error, "ema: 0.weight has no value; initialize() or load_state() first",
              Ema(model, 0.9));
  initialize(model, 1);
  Ema ema(model, 0.9998);
  for (int t = 0; t < 1000; ++t) {
    ema.update();
  }
  const StateDict live = state_dict(model), average = ema.state();
  for (size_t i = 0; i < live.size(); ++i) {
    CHECK_EQ(live[i].second.to_vector(), average[i].second.to_vector());
  }
}

TEST_CASE("EMA: a scope lends the averages to the model and gives its own back") {
  TinyNet model;
  initialize(model, 1);
  set_training(model, true);
  Ema ema(model, 0.5);
  const std::vector<float> before = model.conv.weight.value.to_vector();
  model.conv.weight.value = Tensor::full(model.conv.weight.shape, 2.0f);
  model.norm.num_batches_tracked.value = Tensor::full({}, 7, DType::i64);
  model.norm.running_mean.value = Tensor::full({3}, 4.0f);
  ema.update();
  {
    Ema::Scope scope(ema);
    CHECK_FALSE(model.training);
    CHECK_EQ(model.conv.weight.value.to_vector()[0], doctest::Approx(0.5 * before[0] + 1.0));
    CHECK_EQ(model.norm.num_batches_tracked.value.to_vector()[0], 7);
    CHECK_EQ(model.norm.running_mean.value.to_vector()[2], 2.0f);  // 0 before
    CHECK_ERROR(Error, "ema: update() called while the model holds the averages", ema.update());
  }
  CHECK(model.training);
  CHECK_EQ(model.conv.weight.value.to_vector()[0], 2.0f);

  const StateDict saved = ema.state();
  Ema other(model, 0.5);
  other.load_state(saved);
  const StateDict again = other.state();
  for (size_t i = 0; i < saved.size(); ++i) {
    CHECK_EQ(saved[i].second.to_vector(), again[i].second.to_vector());
  }
  CHECK_EQ(model.conv.weight.value.to_vector()[0], 2.0f);
}

}  // namespace
}  // namespace mld
