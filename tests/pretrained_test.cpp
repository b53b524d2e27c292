// Weights of other programs: their names, their prefixes, the policies of loading.
#include <algorithm>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "models/naming.h"
#include "models/pretrained.h"
#include "nn/init.h"
#include "normal_tensor.h"
#include "reference.h"

namespace mld {
namespace {

using test::normal_tensor;

ModelSpec small_decoder(int64_t classes) {
  return {.backbone = "resnet18", .head = "ml_decoder", .classes = classes, .embed_dim = 16,
          .ffn = 8};
}

std::unique_ptr<Classifier> make_model_with_values() {
  auto model = make_model(small_decoder(5));
  initialize(*model, 1);
  return model;
}

// As timm saves the same model.
StateDict timm_state(Module& model) {
  StateDict state = state_dict(model);
  const std::string moved[] = {"embed_standart", "query_embed", "duplicate_pooling"};
  for (auto& [name, tensor] : state) {
    for (const std::string& part : moved) {
      if (name.starts_with("fc.decoder." + part)) {
        name = "fc." + name.substr(std::string("fc.decoder.").size());
      }
    }
  }
  return state;
}

TEST_CASE("pretrained: timm's names") {
  const auto source = make_model(small_decoder(5)), target = make_model(small_decoder(5));
  initialize(*source, 1);
  StateDict state = timm_state(*source);
  REQUIRE(std::any_of(state.begin(), state.end(),
                      [](const auto& e) { return e.first == "fc.duplicate_pooling"; }));
  CHECK_EQ(load_pretrained(*target, views_of(state), InitPolicy::strict).text(),
           "139 tensors loaded (names of timm)");
  const Var x(normal_tensor({1, 32, 32, 3}, 1));
  CHECK_EQ((*target)(x).value.to_vector(), (*source)(x).value.to_vector());

  state.emplace_back("fc.decoder.duplicate_pooling", Tensor::zeros({5, 16, 1}));
  CHECK_ERROR(DataError,
              "pretrained weights: two tensors map to fc.decoder.duplicate_pooling; remove one of "
              "them",
              load_pretrained(*target, views_of(state), InitPolicy::strict));
}

// See Note [Bottleneck classifier].
TEST_CASE("pretrained: ASL's two linear layers are one") {
  const ModelSpec spec{.backbone = "resnet18", .head = "gap", .classes = 3};
  const auto source = make_model(spec), target = make_model(spec);
  initialize(*source, 1);
  StateDict state = state_dict(*source);
  std::erase_if(state, [](const auto& entry) { return entry.first.starts_with("fc."); });
  const Tensor w1 = normal_tensor({5, 512}, 1), b1 = normal_tensor({5}, 2);
  const Tensor w2 = normal_tensor({3, 5}, 3), b2 = normal_tensor({3}, 4);
  state.insert(state.end(), {{"fc.embedding_generator.0.weight", w1},
                             {"fc.embedding_generator.0.bias", b1},
                             {"fc.FC.weight", w2}, {"fc.FC.bias", b2}});
  for (auto& [name, tensor] : state) {
    name.insert(0, "module.");
  }
  CHECK(model_of(views_of(state)).head == "gap");
  CHECK(model_of(views_of(state)).classes == 3);
  CHECK(load_pretrained(*target, views_of(state), InitPolicy::strict).missing.empty());
  const Var x(normal_tensor({2, 32, 32, 3}, 5));
  const Tensor features = global_avg_pool((*target->backbone)(x)).value.reshape({2, 512});
  const Tensor expected = linear(linear(Var(features), Var(w1), Var(b1)), Var(w2), Var(b2)).value;
  const std::vector<float> logits = (*target)(x).value.to_vector();
  for (size_t i = 0; i < logits.size(); ++i) {
    CHECK(logits[i] == doctest::Approx(expected.to_vector()[i]).epsilon(1e-4));
  }
  // Layers that do not follow each other are left as they are, and refused.
  state.back().second = Tensor::zeros({4});
  CHECK_THROWS_AS(load_pretrained(*target, views_of(state), InitPolicy::strict), DataError);
  // Small factors of a product that would fill the memory.
  StateDict huge = {{"fc.embedding_generator.0.weight", Tensor::zeros({1, 1 << 18})},
                    {"fc.embedding_generator.0.bias", Tensor::zeros({1})},
                    {"fc.FC.weight", Tensor::zeros({1 << 18, 1})},
                    {"fc.FC.bias", Tensor::zeros({1 << 18})}};
  std::vector<StateView> views = views_of(huge);
  std::vector<Tensor> kept;
  join_bottleneck(views, kept);
  CHECK(kept.empty());
}

TEST_CASE("pretrained: prefixes of programs that wrap the model") {
  const auto source = make_model(small_decoder(5)), target = make_model(small_decoder(5));
  initialize(*source, 1);
  const StateDict plain = timm_state(*source);
  const auto wrapped = [&](const std::string& prefix) {
    StateDict state = plain;
    for (auto& [name, tensor] : state) {
      name.insert(0, prefix);
    }
    return state;
  };
  const Var x(normal_tensor({1, 32, 32, 3}, 1));
  const std::vector<float> expected = (*source)(x).value.to_vector();
  for (const char* prefix : {"module.", "model.", "_orig_mod.", "backbone.", "module.module.",
                             "state_dict.ema_model.", "layer1."}) {
    CAPTURE(prefix);
    initialize(*target, 2);
    load_pretrained(*target, views_of(wrapped(prefix)), InitPolicy::strict);
    CHECK_EQ((*target)(x).value.to_vector(), expected);
  }
  // Tensors beside the wrapped model are not part of the model.
  StateDict beside = wrapped("model.");
  beside.emplace_back("loss.weight", Tensor::zeros({5}));
  CHECK_ERROR(DataError, "the weights do not fit the model: 1 unexpected (loss.weight)",
              load_pretrained(*target, views_of(beside), InitPolicy::strict));
  initialize(*target, 2);
  CHECK_EQ(load_pretrained(*target, views_of(beside), InitPolicy::matching).unexpected.size(), 1);
  CHECK_EQ((*target)(x).value.to_vector(), expected);
}

TEST_CASE("pretrained: the backbone policy keeps the head, the matching policy what fits") {
  const auto source = make_model({.backbone = "resnet18", .head = "gap", .classes = 10});
  const auto target = make_model(small_decoder(5));
  initialize(*source, 1);
  initialize(*target, 2);
  const StateDict published = state_dict(*source);
  const StateDict before = state_dict(*target);
  const LoadReport report = load_pretrained(*target, views_of(published), InitPolicy::backbone);
  CHECK_EQ(report.missing.front(), "fc.decoder.duplicate_pooling");
  for (const auto& [name, tensor] : state_dict(*target)) {
    const StateDict& from = name.starts_with("fc.") ? before : published;
    const auto expected = std::find_if(from.begin(), from.end(),
                                       [&, n = name](const auto& e) { return e.first == n; });
    REQUIRE(expected != from.end());
    CHECK_EQ(tensor.to_vector(), expected->second.to_vector());
  }

  StateDict deeper = published;
  deeper.erase(deeper.begin());  // conv1.weight
  CHECK_ERROR(DataError, "the weights do not fit the model: 1 missing (conv1.weight)",
              load_pretrained(*target, views_of(deeper), InitPolicy::backbone));
  const LoadReport rest = load_pretrained(*target, views_of(deeper), InitPolicy::matching);
  CHECK_EQ(rest.missing.front(), "conv1.weight");
  CHECK_ERROR(DataError,
              "pretrained weights: none of the file's 1 tensors fits the model, a resnet18",
              load_pretrained(*target, views_of({{"a", Tensor::zeros({1})}}),
                              InitPolicy::matching));
}

TEST_CASE("pretrained: the error names the policy, or the backbone, that the file is for") {
  const auto model = make_model({.backbone = "resnet34", .head = "gap", .classes = 5});
  const auto load = [&](const StateDict& state, InitPolicy policy) {
    initialize(*model, 2);
    return load_pretrained(*model, views_of(state), policy);
  };
  const auto other = [](const char* backbone, int64_t classes) {
    const auto source = make_model({.backbone = backbone, .head = "gap", .classes = classes});
    initialize(*source, 1);
    return state_dict(*source);
  };
  const StateDict more_classes = other("resnet34", 7);
  CHECK_ERROR(DataError,
              "the weights do not fit the model: 2 of another shape (fc.weight: [7, 512] in the "
              "file, [5, 512] in the model, fc.bias: [7] in the file, [5] in the model); "
              "model.init_policy = \"backbone\" leaves the head out",
              load(more_classes, InitPolicy::strict));
  const PretrainedReport report = load(more_classes, InitPolicy::backbone);
  CHECK_EQ(report.text(),
           "216 tensors loaded (names of mldecoder); unchanged: fc.weight, fc.bias");
  const StateDict deeper = other("resnet50", 5);
  for (const InitPolicy policy : {InitPolicy::strict, InitPolicy::backbone}) {
    try {
      load(deeper, policy);
      FAIL("accepted");
    } catch (const DataError& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.ends_with("; the file looks like a resnet50 (318 of its 318 tensors fit)"));
    }
  }
  CHECK_EQ(nearest_backbone(views_of(other("resnet18", 3))).name, "resnet18");
  CHECK_EQ(nearest_backbone(views_of(other("resnet101", 3))).name, "resnet101");
  CHECK_EQ(nearest_backbone(views_of({{"a", Tensor::zeros({1})}})).name, "");
}

TEST_CASE("pretrained: a state's model is known from its names and shapes") {
  for (const ModelSpec& spec :
       {small_decoder(5), ModelSpec{.backbone = "resnet34", .head = "gap", .classes = 7},
        ModelSpec{.backbone = "resnet18", .head = "transformer_decoder", .classes = 6,
                  .embed_dim = 16, .ffn = 24}}) {
    const auto model = make_model(spec);
    initialize(*model, 1);
    const ModelSpec found = model_of(views_of(timm_state(*model)));
    CHECK_EQ(found.backbone, spec.backbone);
    CHECK_EQ(found.head, spec.head);
    CHECK_EQ(found.classes, spec.classes);
    const auto again = make_model(found);
    load_pretrained(*again, views_of(timm_state(*model)), InitPolicy::strict);
  }
  StateDict headless = state_dict(*make_model_with_values());
  std::erase_if(headless, [](const auto& entry) { return entry.first.starts_with("fc."); });
  try {
    model_of(views_of(headless));
    FAIL("accepted");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()).starts_with(
        "the weights of a resnet18, but with none of the heads gap, ml_decoder"));
  }
}

}  // namespace
}  // namespace mld
