// TResNet: initial values, names that depend on the head, old checkpoints, folding, sizes. Blocks
// and whole networks are compared with the published ones by tests/parity.
#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "models/pretrained.h"
#include "models/tresnet.h"
#include "nn/init.h"
#include "reference.h"

namespace mld {
namespace {

Tensor random_tensor(const Shape& shape, uint32_t stream) {
  Parameter p(shape);
  RandomStream random({13, 0, stream});
  fill_normal(p, random, 1.0);
  return p.value;
}

ModelSpec small(const char* head) {
  return {.backbone = "tresnet_s", .head = head, .classes = 7, .embed_dim = 16, .ffn = 8};
}

// As a trained model has them: scales of both signs, statistics that are not the identity.
void randomise_norms(Module& model) {
  uint32_t stream = 100;
  const auto change = [&](const std::string& name, StateTensor& t, const char* suffix) {
    if (name.ends_with(suffix) && t.shape.rank() == 1) {
      t.value = random_tensor(t.shape, stream++);
      for (int64_t i = 0; i < t.shape.numel(); ++i) {
        t.value.data<float>()[i] *= 0.3f;
      }
    }
  };
  for (const auto& [name, p] : parameters(model)) {
    change(name, *p, ".weight");
  }
  for (const auto& [name, b] : buffers(model)) {
    change(name, *b, "running_mean");
  }
}

double root_mean_square(const Tensor& x) {
  double squares = 0;
  for (const float v : x.to_vector()) {
    squares += double{v} * v;
  }
  return std::sqrt(squares / static_cast<double>(x.numel()));
}

}  // namespace

TEST_CASE("tresnet: initial values, of the branches' last norms and the classifier too") {
  const auto model = make_model(small("gap"));
  initialize(*model, 1);
  int zeros = 0, ones = 0;
  for (const auto& [name, p] : parameters(*model)) {
    if (p->shape.rank() == 1 && name.ends_with(".weight")) {
      CAPTURE(name);
      // layer1, layer2: basic blocks, which end in conv2; layer3, layer4 end in conv3.
      const bool basic = name.starts_with("body.layer1") || name.starts_with("body.layer2");
      const bool last = name.ends_with(basic ? ".conv2.1.weight" : ".conv3.1.weight");
      CHECK_EQ(p->value.to_vector(), std::vector<float>(static_cast<size_t>(p->shape[0]),
                                                        last ? 0.0f : 1.0f));
      (last ? zeros : ones) += 1;
    } else if (name == "head.fc.weight") {
      CHECK_EQ(root_mean_square(p->value), test::relative(0.01, 0.02));
    } else if (name == "body.layer3.0.se.fc1.weight") {  // 256 to 128: Kaiming, fan out
      CHECK_EQ(root_mean_square(p->value), test::relative(std::sqrt(2.0 / 128), 0.02));
    }
  }
  CHECK_EQ(zeros, 3 + 4 + 6 + 3);
  CHECK_GT(ones, zeros);
}

TEST_CASE("tresnet: branches that start at zero learn from the first update") {
  TResNetBasic block(64, 64, {});
  initialize(block, 1);
  set_training(block, true);
  Tape tape;
  const Var y = block(tape.constant(random_tensor({2, 6, 6, 64}, 1)));
  tape.backward(y, random_tensor(y.shape(), 2));
  CHECK_GT(root_mean_square(block.conv2.bn.weight.grad), 1e-3);
}

TEST_CASE("tresnet: a folded model computes the same, in float32 and bfloat16") {
  const auto model = make_model(small("gap"));
  initialize(*model, 3);
  randomise_norms(*model);
  const Var x(random_tensor({2, 48, 64, 3}, 1));
  const Tensor plain = (*model)(x).value;
  CHECK_EQ(plain.shape(), Shape{2, 7});
  const auto distance = [&](const Var& logits) {
    return test::largest_error(logits.value.to_vector(), plain.to_vector());
  };
  fold_batch_norm(*model);
  CHECK_LE(distance((*model)(x)), 1e-4);
  CHECK_LE(distance((*model)(cast(x, DType::bf16))), 0.1);
}

TEST_CASE("tresnet: every stage is tapped; odd feature maps are halved upwards on both paths") {
  const auto model = make_model(small("gap"));
  initialize(*model, 1);
  std::vector<std::pair<std::string, Shape>> seen;
  (*model)(Var(random_tensor({1, 36, 68, 3}, 1)),
           [&](std::string_view stage, const Var& y) { seen.emplace_back(stage, y.shape()); });
  const std::vector<std::pair<std::string, Shape>> expected{
      {"SpaceToDepth", {1, 9, 17, 48}}, {"conv1", {1, 9, 17, 64}},  {"layer1", {1, 9, 17, 64}},
      {"layer2", {1, 5, 9, 128}},       {"layer3", {1, 3, 5, 1024}}, {"layer4", {1, 2, 3, 2048}},
      {"features", {1, 2, 3, 2048}},    {"pooled", {1, 2048}}};
  CHECK(seen == expected);
  CHECK_EQ((*model)(Var(random_tensor({1, 20, 20, 3}, 1))).shape(), Shape{1, 7});
}

TEST_CASE("tresnet: pictures of other sizes are refused before anything is computed") {
  const auto model = make_model(small("gap"));
  initialize(*model, 1);
  CHECK_ERROR(UsageError,
              "tresnet: pictures must have sides that are multiples of 4 and at least 20, got "
              "226 x 226; set data.image_size to 224",
              (*model)(Var(Tensor::zeros({1, 226, 226, 3}))));
  CHECK_ERROR(UsageError,
              "tresnet: pictures must have sides that are multiples of 4 and at least 20, got "
              "16 x 16; set data.image_size to 20",
              (*model)(Var(Tensor::zeros({1, 16, 16, 3}))));
}

TEST_CASE("tresnet: old checkpoints lack batch counters and hold blur kernels") {
  const auto source = make_model(small("gap")), target = make_model(small("gap"));
  initialize(*source, 1);
  randomise_norms(*source);
  StateDict state = state_dict(*source);
  std::erase_if(state, [](const auto& entry) {
    return entry.first.ends_with("num_batches_tracked");
  });
  state.emplace_back("body.layer2.0.conv1.1.op.filt", Tensor::zeros({128, 1, 3, 3}));
  load_pretrained(*target, views_of(state), InitPolicy::strict);
  const Var x(random_tensor({1, 32, 32, 3}, 1));
  CHECK_EQ((*target)(x).value.to_vector(), (*source)(x).value.to_vector());
}

TEST_CASE("tresnet: a backbone's weights serve another head, whose names differ") {
  const auto gap = make_model(small("gap")), decoder = make_model(small("ml_decoder"));
  CHECK_EQ(parameters(*gap).back().first, "head.fc.bias");
  CHECK_EQ(parameters(*decoder).back().first, "head.decoder.query_embed.weight");
  CHECK_EQ(backbone_row(small("gap")).classifier_name(), "head.fc");
  initialize(*gap, 1);
  initialize(*decoder, 2);
  const auto first = [](Module& model) { return parameters(model).front().second->value; };
  REQUIRE_NE(first(*gap).to_vector(), first(*decoder).to_vector());
  const LoadReport there =
      load_pretrained(*decoder, views_of(state_dict(*gap)), InitPolicy::backbone);
  CHECK_EQ(there.missing.front(), "head.decoder.duplicate_pooling");
  CHECK_EQ(first(*gap).to_vector(), first(*decoder).to_vector());
  initialize(*gap, 3);
  const LoadReport back =
      load_pretrained(*gap, views_of(state_dict(*decoder)), InitPolicy::backbone);
  CHECK_EQ(back.missing, std::vector<std::string>{"head.fc.weight", "head.fc.bias"});
  CHECK_EQ(first(*gap).to_vector(), first(*decoder).to_vector());
}

}  // namespace mld
