// Models: heads, folding. tests/parity compares blocks and heads with the published ones.
#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include <doctest/doctest.h>

#include "models/efficientnet_lite.h"
#include "models/gap_head.h"
#include "models/ml_decoder.h"
#include "models/registry.h"
#include "models/resnet.h"
#include "models/transformer_decoder.h"
#include "models/tresnet.h"
#include "nn/init.h"
#include "normal_tensor.h"
#include "reference.h"

namespace mld {
namespace {

using test::normal_tensor;

double difference(const Tensor& a, const Tensor& b) {
  return test::largest_error(a.to_vector(), b.to_vector());
}

// Random statistics, so that a norm is not the identity in evaluation.
void randomise_norms(Module& model) {
  uint32_t stream = 100;
  for (const auto& [name, b] : buffers(model)) {
    if (name.ends_with("running_mean")) {
      b->value = normal_tensor(b->shape, stream++);
      for (int64_t i = 0; i < b->shape.numel(); ++i) {
        b->value.data<float>()[i] *= 0.1f;
      }
    }
  }
}

// ---- heads --------------------------------------------------------------------------------------

TEST_CASE("ML-Decoder: any class count; a class reads its own group only") {
  for (const auto& [classes, groups, queries, size] :
       {std::array<int64_t, 4>{1, -1, 1, 1}, {80, -1, 80, 1}, {1000, -1, 100, 10},
        {7, 3, 3, 3}, {7, 100, 7, 1}, {9605, 200, 200, 49}, {2001, 2000, 2000, 2}}) {
    const ModelSpec spec{.classes = classes, .groups = groups};
    CHECK_EQ(ml_decoder_queries(spec), queries);
    CHECK_EQ(ml_decoder_group_size(spec), size);
  }
  // Seven classes in three groups of three: changing group 1's pooling moves classes 3, 4, 5 only.
  MlDecoder head({.classes = 7, .groups = 3, .embed_dim = 16, .ffn = 8}, 5);
  initialize(head, 1);
  const Var x(normal_tensor({2, 3, 2, 5}, 1));
  const std::vector<float> before = head(x).value.to_vector();
  Tensor& pooling = head.duplicate_pooling.value;
  for (int64_t i = 16 * 3; i < 2 * 16 * 3; ++i) {
    pooling.data<float>()[i] *= 2;  // not += 1: a layer norm before it sums to zero
  }
  const std::vector<float> after = head(x).value.to_vector();
  for (size_t i = 0; i < before.size(); ++i) {
    const size_t k = i % 7;
    CHECK_EQ(before[i] != after[i], k >= 3 && k < 6);
  }
}

TEST_CASE("ML-Decoder: a frozen query gets no gradient; its state fits a learnable one") {
  ModelSpec spec{.classes = 4, .embed_dim = 16, .ffn = 8, .dropout = 0};
  MlDecoder frozen(spec, 6);
  spec.query = QueryKind::learnable;
  MlDecoder learnable(spec, 6);
  initialize(frozen, 1);
  load_state(learnable, state_dict(frozen));
  for (MlDecoder* head : {&frozen, &learnable}) {
    set_training(*head, true);
    Tape tape;
    const Var x = tape.constant(normal_tensor({2, 2, 2, 6}, 3));
    tape.backward(sum((*head)(x)));
    CHECK_EQ(head->query_embed->grad.defined(), head == &learnable);
    CHECK(head->layer.norm1.weight.grad.defined());
  }
  load_state(frozen, state_dict(learnable));  // and back
}

TEST_CASE("ML-Decoder: dropout depends on seed and step only, and is off in evaluation") {
  MlDecoder head({.classes = 4, .embed_dim = 16, .ffn = 8, .dropout = 0.4}, 6);
  initialize(head, 1);
  const Tensor x = normal_tensor({2, 2, 2, 6}, 3);
  const auto run = [&](uint64_t seed, uint64_t step) {
    Tape tape({.seed = seed, .step = step});
    return head(tape.constant(x)).value.to_vector();
  };
  const std::vector<float> plain = head(Var(x)).value.to_vector();
  CHECK_EQ(run(1, 1), plain);
  set_training(head, true);
  CHECK_EQ(run(1, 1), run(1, 1));
  CHECK_NE(run(1, 1), run(1, 2));
  CHECK_NE(run(1, 1), run(2, 1));
  CHECK_NE(run(1, 1), plain);
}

TEST_CASE("transformer decoder: classes read each other's queries, and their own pooling only") {
  TransformerDecoder head({.classes = 5, .embed_dim = 16, .ffn = 8, .dropout = 0.4}, 6);
  initialize(head, 1);
  const Var x(normal_tensor({2, 3, 2, 6}, 1));
  const std::vector<float> before = head(x).value.to_vector();
  const auto changed = [&] {
    std::vector<bool> classes;
    const std::vector<float> after = head(x).value.to_vector();
    for (size_t k = 0; k < 5; ++k) {
      classes.push_back(before[k] != after[k]);
    }
    return classes;
  };
  head.pool_weight.value.data<float>()[2 * 16] *= 2;
  CHECK_EQ(changed(), std::vector<bool>{false, false, true, false, false});
  head.pool_weight.value.data<float>()[2 * 16] /= 2;
  head.query_embed.value.data<float>()[2 * 16] += 3;
  CHECK_EQ(changed(), std::vector<bool>(5, true));

  set_training(head, true);
  const auto run = [&](uint64_t seed) {
    Tape tape({.seed = seed, .step = 1});
    const Var logits = head(tape.constant(x.value));
    tape.backward(sum(logits));
    CHECK(head.query_embed.grad.defined());
    clear_gradients(head);
    return logits.value.to_vector();
  };
  CHECK_EQ(run(1), run(1));
  CHECK_NE(run(1), run(2));
}

// ---- whole models -------------------------------------------------------------------------------

TEST_CASE("a folded model computes the same, in float32 and bfloat16") {
  for (const auto& [backbone, head] :
       {std::pair{"resnet18", "gap"}, {"resnet18", "ml_decoder"},
        {"resnet18", "transformer_decoder"}, {"efficientnet_lite0", "gap"}}) {
    CAPTURE(backbone);
    CAPTURE(head);
    const auto model = make_model({.backbone = backbone, .head = head, .classes = 6,
                                   .embed_dim = 32, .ffn = 64});
    initialize(*model, 3);
    randomise_norms(*model);
    const Var x(normal_tensor({2, 48, 64, 3}, 1));
    const Tensor plain = (*model)(x).value;
    CHECK_EQ(plain.shape(), Shape{2, 6});
    fold_batch_norm(*model);
    CHECK_LE(difference((*model)(x).value, plain), 1e-4);
    const Tensor narrow = (*model)(cast(x, DType::bf16)).value;
    CHECK_EQ(narrow.dtype(), DType::bf16);
    CHECK_LE(difference(narrow, plain), 0.1);
    CHECK_LE(difference((*model)(x).value, plain), 1e-4);  // back to float32
    set_training(*model, false);
    CHECK_LE(difference((*model)(x).value, plain), 0);  // exactly the unfolded arithmetic
  }
}

// Branches that a trained model would have: TResNet's start at a scale of zero.
void give_branches(Module& model) {
  for (const auto& [name, p] : parameters(model)) {
    if (p->shape.rank() == 1 && name.ends_with(".weight")) {
      fill(*p, 1);
    }
  }
}

TEST_CASE("drop path: rates rise as timm's; off in evaluation and at zero") {
  for (const auto& [backbone, blocks, last] :
       {std::tuple{"resnet18", 8, 0.7}, {"tresnet_s", 16, 0.7},
        {"efficientnet_lite0", 16, 0.7 * 15 / 16}}) {
    CAPTURE(backbone);
    const auto model = make_model({.backbone = backbone, .head = "gap", .classes = 2,
                                   .drop_path = 0.7});
    const auto plain = make_model({.backbone = backbone, .head = "gap", .classes = 2});
    struct Rates : Visitor {
      std::vector<double> all;
      void leave(const std::string&, Module& module) override {
        if (const auto* block = dynamic_cast<ResidualBlock*>(&module)) {
          all.push_back(block->drop_rate);
        }
      }
    } rates;
    rates.walk(*model);
    REQUIRE_EQ(rates.all.size(), blocks);
    for (int i = 0; i < blocks; ++i) {
      CHECK_LT(std::abs(rates.all[static_cast<size_t>(i)] - last * i / (blocks - 1)), 1e-12);
    }
    initialize(*model, 3);
    give_branches(*model);
    load_state(*plain, state_dict(*model));
    const Tensor x = normal_tensor({4, 32, 32, 3}, 1);
    CHECK_EQ((*model)(Var(x)).value.to_vector(), (*plain)(Var(x)).value.to_vector());
    set_training(*model, true);
    set_training(*plain, true);
    const auto run = [&](Classifier& net, uint64_t step) {
      Tape tape({.seed = 1, .step = step});
      return net(tape.constant(x)).value.to_vector();
    };
    CHECK_EQ(run(*model, 1), run(*model, 1));
    CHECK_NE(run(*model, 1), run(*model, 2));
    CHECK_NE(run(*model, 1), run(*plain, 1));
  }
}

// Block i of a stage: without its branch a picture is act(x), with it act(x + 2 branch(x)).
void check_dropped(Stages& stages, size_t stage, size_t i, int64_t C, bool relu) {
  ResidualBlock& block = *stages.all[stage].second[i];
  const Tensor x = normal_tensor({16, 3, 3, C}, 2);
  const auto run = [&](double rate) {
    block.drop_rate = rate;
    Tape tape({.seed = 1, .step = 1});
    return block(tape.constant(x)).value.to_vector();
  };
  const auto act = [&](float v) { return relu ? std::max(v, 0.0f) : v; };
  const std::vector<float> whole = run(0), dropped = run(0.5), in = x.to_vector();
  const size_t each = in.size() / 16;
  int kept = 0;
  for (size_t n = 0; n < 16; ++n) {
    bool shortcut = true, more = true;
    for (size_t e = n * each; e < (n + 1) * each; ++e) {
      shortcut = shortcut && dropped[e] == act(in[e]);
      const bool known = !relu || whole[e] > 0;
      const float twice = 2 * (whole[e] - in[e]) + in[e];
      more = more && (!known || std::abs(dropped[e] - act(twice)) < 1e-4f);
    }
    CHECK_NE(shortcut, more);
    kept += more;
  }
  CHECK_GT(kept, 2);
  CHECK_LT(kept, 14);
}

TEST_CASE("drop path: a picture without the branch is its shortcut, one with it has more of it") {
  const auto prepare = [](Module& net) {
    initialize(net, 5);
    give_branches(net);
    set_training(net, true);
  };
  ResNet resnet({});
  TResNet tresnet({});
  EfficientNetLite lite({});
  prepare(resnet);
  prepare(tresnet);
  prepare(lite);
  check_dropped(resnet.stages, 0, 1, 64, true);
  check_dropped(tresnet.stages, 0, 1, 64, true);    // basic, squeeze and excitation
  check_dropped(tresnet.stages, 2, 1, 1024, true);  // bottleneck, squeeze and excitation
  check_dropped(lite.stages, 1, 1, 24, false);
  ResidualBlock& narrowing = *lite.stages.all[0].second[0];  // 32 to 16 channels: no shortcut
  const auto run = [&](double rate) {
    narrowing.drop_rate = rate;
    Tape tape({.seed = 1});
    return narrowing(tape.constant(normal_tensor({4, 3, 3, 32}, 2))).value.to_vector();
  };
  CHECK_EQ(run(0.5), run(0));
}

TEST_CASE("taps see every stage, what the head gets, and the pooled features") {
  const auto model = make_model({.backbone = "resnet18", .head = "gap", .classes = 2});
  initialize(*model, 1);
  std::vector<std::pair<std::string, Shape>> seen;
  (*model)(Var(normal_tensor({1, 33, 65, 3}, 1)),
           [&](std::string_view stage, const Var& y) { seen.emplace_back(stage, y.shape()); });
  const std::vector<std::pair<std::string, Shape>> expected{
      {"stem", {1, 9, 17, 64}},   {"layer1", {1, 9, 17, 64}}, {"layer2", {1, 5, 9, 128}},
      {"layer3", {1, 3, 5, 256}}, {"layer4", {1, 2, 3, 512}},
      {"features", {1, 2, 3, 512}}, {"pooled", {1, 512}}};
  CHECK(seen == expected);
}

TEST_CASE("EfficientNet-Lite: its stages; what strides leave over is rounded up") {
  const auto model = make_model({.backbone = "efficientnet_lite0", .head = "gap", .classes = 2});
  initialize(*model, 1);
  std::vector<std::pair<std::string, Shape>> seen;
  (*model)(Var(normal_tensor({1, 33, 66, 3}, 1)),
           [&](std::string_view stage, const Var& y) { seen.emplace_back(stage, y.shape()); });
  const std::vector<std::pair<std::string, Shape>> expected{
      {"stem", {1, 17, 33, 32}},     {"blocks.0", {1, 17, 33, 16}}, {"blocks.1", {1, 9, 17, 24}},
      {"blocks.2", {1, 5, 9, 40}},   {"blocks.3", {1, 3, 5, 80}},   {"blocks.4", {1, 3, 5, 112}},
      {"blocks.5", {1, 2, 3, 192}},  {"blocks.6", {1, 2, 3, 320}},  {"conv_head", {1, 2, 3, 1280}},
      {"features", {1, 2, 3, 1280}}, {"pooled", {1, 1280}}};
  CHECK(seen == expected);
}

TEST_CASE("EfficientNet-Lite's initial values are timm's: by a group's fan out, by classes") {
  const auto model = make_model({.backbone = "efficientnet_lite0", .head = "gap", .classes = 25});
  initialize(*model, 1);
  for (const auto& [name, p] : parameters(*model)) {
    const std::vector<float> w = p->value.to_vector();
    const double mean_square =
        std::inner_product(w.begin(), w.end(), w.begin(), 0.0) / static_cast<double>(w.size());
    if (name == "blocks.3.1.conv_dw.weight") {
      CHECK_EQ(mean_square, test::relative(2.0 / 9, 0.1));
    } else if (name == "conv_head.weight") {
      CHECK_EQ(mean_square, test::relative(2.0 / 1280, 0.02));
    } else if (name == "classifier.weight") {
      CHECK_EQ(mean_square, test::relative(0.2 * 0.2 / 3, 0.05));
      CHECK_LE(*std::max_element(w.begin(), w.end()), 0.2f);
    } else if (name == "classifier.bias") {
      CHECK_EQ(mean_square, 0);
    }
  }
}

TEST_CASE("errors: model descriptions and inputs") {
  const auto error = [](ModelSpec spec) {
    try {
      make_model(spec);
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
    return std::string("nothing");
  };
  CHECK_EQ(error({.backbone = "resnet51", .classes = 2}),
           fmt::format("model.backbone: unknown name \"resnet51\"; known are {}",
                       fmt::join(names_of(backbones()), ", ")));
  CHECK_EQ(error({.head = "fc", .classes = 2}),
           "model.head: unknown name \"fc\"; known are gap, ml_decoder, transformer_decoder, "
           "sdl, clip_decoder");
  CHECK_EQ(error({.classes = 0}), "model: needs at least one class, got 0");
  CHECK_EQ(error({.classes = 2, .embed_dim = 300}),
           "ml_decoder: embed_dim must be a multiple of 8 (attention heads), got 300");
  CHECK_EQ(error({.classes = 2, .groups = 0}),
           "ml_decoder: groups must be positive, or -1 for 100");
  const auto model = make_model({.backbone = "resnet18", .head = "gap", .classes = 2});
  CHECK_ERROR(Error, "model: pictures must be [N, H, W, 3], got [2, 3, 8, 8]",
              (*model)(Var(Tensor::zeros({2, 3, 8, 8}))));
}

}  // namespace
}  // namespace mld
