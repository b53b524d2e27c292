// CLIP: sizes, names, both encoders as backbones and as towers, positions for other picture sizes,
// the contrastive loss, other programs' files.
#include <algorithm>
#include <cmath>
#include <map>

#include <doctest/doctest.h>

#include "models/clip.h"
#include "models/position_grid.h"
#include "models/pretrained.h"
#include "nn/init.h"
#include "optim/groups.h"
#include "normal_tensor.h"
#include "reference.h"

namespace mld {
namespace {

using test::normal_tensor;

ClipSpec small_clip(bool vit) {
  ClipSpec spec{.vision = {}, .text = {.width = 64, .layers = 2, .heads = 1, .context = 6,
                                       .vocabulary = 20, .embed = 8}};
  if (vit) {
    spec.vision = ClipVitSpec{.image_size = 32, .patch = 8, .width = 128, .layers = 2, .heads = 2,
                              .embed = 8};
  } else {
    spec.vision = ClipResNetSpec{.layers = {1, 2, 1, 1}, .width = 8, .image_size = 64, .heads = 4,
                                 .embed = 8};
  }
  return spec;
}

Tensor ids_of(std::initializer_list<int32_t> ids, int64_t N) {
  Tensor t({N, static_cast<int64_t>(ids.size()) / N}, DType::i32);
  std::copy(ids.begin(), ids.end(), t.data<int32_t>());
  return t;
}

StateDict renamed(const StateDict& state, auto&& name_of) {
  StateDict out;
  for (const auto& [name, tensor] : state) {
    out.emplace_back(name_of(name), tensor);
  }
  return out;
}

// As open_clip's models with a text module have them, wrapped for several GPUs.
std::string open_clip_name(const std::string& name) {
  const bool other = name.starts_with("visual.") || name == "logit_scale";
  return "module." + std::string(other ? "" : "text.") + name;
}

}  // namespace

TEST_CASE("clip: the published models' parameters") {  // counts of openai/CLIP's own models
  const ClipTextSpec text;
  ClipTextSpec wide = text;
  wide.embed = 1024;
  const std::tuple<ClipSpec, int64_t, int64_t> rows[] = {
      {{ClipVitSpec{}, text}, 151'277'313, 87'849'216},
      {{ClipVitSpec{.patch = 16}, text}, 149'620'737, 86'192'640},
      {{ClipResNetSpec{}, wide}, 102'007'137, 38'316'896},
      {{ClipResNetSpec{.layers = {3, 4, 23, 3}, .embed = 512}, text}, 119'688'033, 56'259'936}};
  for (const auto& [spec, all, visual] : rows) {
    Clip model(spec);
    CHECK_EQ(count_parameters(model), all);
    CHECK_EQ(count_parameters(*model.visual), visual);
  }
}

TEST_CASE("clip: sizes come from a state's shapes, under any of its names") {
  for (const bool vit : {true, false}) {
    ClipSpec spec = small_clip(vit);
    if (!vit) {
      std::get<ClipResNetSpec>(spec.vision).width = 16;  // the pool's heads: 32 * 16 / 64
      std::get<ClipResNetSpec>(spec.vision).heads = 8;
    }
    Clip model(spec);
    initialize(model, 1);
    const StateDict plain = state_dict(model);
    StateDict archive = plain;  // what OpenAI's files hold besides
    archive.emplace_back("input_resolution", Tensor::zeros({}, DType::i64));
    archive.emplace_back("context_length", Tensor::zeros({}, DType::i64));
    for (const StateDict& state : {plain, archive, renamed(plain, open_clip_name)}) {
      const ClipSpec found = clip_spec_of(views_of(state));
      Clip loaded(found);
      initialize(loaded, 3);
      load_clip(loaded, views_of(state));
      const Var x(normal_tensor({2, 64, 64, 3}, 1));
      CHECK_EQ(loaded.embed_images(x).value.to_vector(), model.embed_images(x).value.to_vector());
      const Var ids(ids_of({1, 2, 19, 0, 0, 0}, 1));
      CHECK_EQ(loaded.embed_texts(ids).value.to_vector(), model.embed_texts(ids).value.to_vector());
      CHECK_EQ((*clip_text_of(views_of(state)))(ids).value.to_vector(),
               model.embed_texts(ids).value.to_vector());
    }
    const auto found = clip_spec_of(views_of(plain)).vision;
    CHECK_EQ(std::visit([](const auto& vision) { return vision.image_size; }, found),
             vit ? 32 : 64);
  }
}

TEST_CASE("clip: weights without a tower, a projection or a square of positions are refused") {
  Clip model(small_clip(true));
  initialize(model, 1);
  const StateDict whole = state_dict(model);
  const auto error = [&](const std::string& without) {
    StateDict state = whole;
    std::erase_if(state, [&](const auto& e) { return e.first.starts_with(without); });
    try {
      clip_spec_of(views_of(state));
    } catch (const DataError& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const std::string expected = "; expected a state dict under OpenAI's names or open_clip's";
  CHECK_EQ(error("visual."), "the weights have no image tower of CLIP: there is no "
                             "visual.conv1.weight" + expected);
  CHECK_EQ(error("token_embedding"), "the weights have no text tower of CLIP: there is no "
                                     "token_embedding.weight" + expected);
  CHECK_EQ(error("text_projection"), "the weights have no projection of texts of CLIP: there is no "
                                     "text_projection" + expected);
  CHECK_EQ(error("visual.proj"), "the weights have no projection of pictures of CLIP: there is no "
                                 "visual.proj" + expected);
  CHECK_ERROR(DataError,
              "positions of shape [4, 8] are not those of a class token and a square grid",
              grid_side({4, 8}));
  StateDict broken = whole;
  std::erase_if(broken, [](const auto& e) { return e.first == "ln_final.bias"; });
  CHECK_ERROR(DataError,
              "the weights do not fit the CLIP model of these sizes: 1 missing (ln_final.bias)",
              load_clip(model, views_of(broken)));
}

TEST_CASE("clip: a text's features depend on its tokens up to the end, and on their order") {
  Clip model(small_clip(true));
  initialize(model, 4);
  const auto features = [&](std::initializer_list<int32_t> ids) {
    return model.embed_texts(Var(ids_of(ids, 1))).value.to_vector();
  };
  const auto base = features({1, 2, 3, 19, 0, 0});
  CHECK_EQ(features({1, 2, 3, 19, 7, 8}), base);
  CHECK_EQ(features({1, 2, 3, 19, 19, 8}), base);  // the first of equals
  CHECK_NE(features({1, 3, 2, 19, 0, 0}), base);
  CHECK_NE(features({1, 2, 19, 3, 0, 0}), base);
  CHECK_ERROR(Error, "ClipText: ids must be [N, at most 6], got [1, 7]",
              features({1, 2, 3, 4, 5, 6, 7}));
}

TEST_CASE("clip: every head reads the encoders, at any picture size, in both dtypes") {
  for (const char* head : {"gap", "ml_decoder", "transformer_decoder"}) {
    for (const auto& [backbone, size] : {std::pair{"clip_vit_tiny", 40}, {"clip_rn50", 64}}) {
      CAPTURE(head);
      CAPTURE(backbone);
      const auto model = make_model({.backbone = backbone, .head = head, .classes = 5,
                                     .embed_dim = 32, .ffn = 16, .drop_path = 0.2});
      initialize(*model, 1);
      const Tensor x = normal_tensor({2, size, size, 3}, 1);
      const Tensor plain = (*model)(Var(x)).value;
      CHECK_EQ(plain.shape(), Shape{2, 5});
      CHECK_EQ((*model)(cast(Var(x), DType::bf16)).dtype(), DType::bf16);
      set_training(*model, true);
      Tape tape;
      tape.backward(sum((*model)(tape.constant(x))));
      for (const auto& [name, p] : parameters(*model)) {
        CAPTURE(name);
        CHECK_EQ(p->grad.defined(), p->trainable);
      }
    }
  }
}

TEST_CASE("clip: a ViT's map has a pixel for each patch, a ResNet's map has 1/32 of the sides") {
  const Tensor x = normal_tensor({2, 40, 70, 3}, 1);
  for (const auto& [name, shape] : {std::pair{"clip_vit_tiny", Shape{2, 5, 8, 192}},
                                    {"clip_rn50", Shape{2, 1, 2, 2048}}}) {
    const auto backbone = backbone_row({.backbone = name}).make();
    initialize(*backbone, 1);
    CHECK_EQ((*backbone)(Var(x)).shape(), shape);
  }
}

TEST_CASE("clip: each block of the ViT is a layer with its own learning rate") {
  const auto model = make_model({.backbone = "clip_vit_tiny", .head = "gap", .classes = 2});
  std::vector<std::string> names;
  for (const auto& [name, p] : parameters(*model)) {
    names.push_back(name);
  }
  const std::vector<int64_t> layers = layers_of(names);
  CHECK_EQ(layers.back(), 8);  // what precedes the blocks, six of them, ln_post, the head
  for (size_t i = 0; i < names.size(); ++i) {
    const size_t at = names[i].find("resblocks.");
    if (at != std::string::npos) {
      CHECK_EQ(layers[i], names[i][at + 10] - '0' + 1);
    }
  }
}

TEST_CASE("clip: a backbone starts from a whole CLIP file") {
  Clip clip({ClipVitSpec{.image_size = 64, .patch = 8, .width = 192, .layers = 6, .heads = 3},
             {.width = 64, .layers = 1, .heads = 1, .context = 4, .vocabulary = 9}});
  initialize(clip, 5);
  const StateDict state = state_dict(clip);
  for (const StateDict& file : {state, renamed(state, open_clip_name)}) {
    const auto model = make_model({.backbone = "clip_vit_tiny", .head = "gap", .classes = 2});
    initialize(*model, 1);
    const PretrainedReport report =
        load_pretrained(*model, views_of(file), InitPolicy::backbone);
    CHECK_EQ(report.loaded, state_tensors(*model->backbone).size());
    CHECK(report.unexpected.empty());
    CHECK_EQ(nearest_backbone(views_of(file)).name, "clip_vit_tiny");
  }
}

TEST_CASE("positions: a grid of another size keeps constants, slopes and the class token") {
  GridPositions positions(4, 2);
  Parameter& table = positions.table;
  table.value = Tensor::zeros(table.shape);
  float* p = table.value.data<float>();
  p[0] = 7;
  for (int i = 0; i < 16; ++i) {
    p[2 * (i + 1)] = 3;                            // constant
    p[2 * (i + 1) + 1] = static_cast<float>(i / 4);  // the row
  }
  const Var x(Tensor::zeros({2, 1}));
  CHECK_EQ(positions(4, 4, x).value.rows(0, 1).to_vector(), table.value.to_vector());
  for (const auto& [rows, columns] : {std::pair{8, 4}, {2, 4}, {2, 3}, {4, 7}}) {
    const Var y = positions(rows, columns, x);
    REQUIRE_EQ(y.shape(), Shape{2, 1 + rows * columns, 2});
    const std::vector<float> values = y.value.to_vector();
    CHECK_EQ(values[0], 7);
    for (size_t i = 1; i < values.size() / 4; ++i) {
      CHECK_EQ(values[2 * i], doctest::Approx(3));
    }
    for (int row = 3; row <= rows - 4; ++row) {  // away from the border
      CHECK_EQ(values[static_cast<size_t>(2 * (1 + row * columns) + 1)],
               doctest::Approx((row + 0.5) * 4 / rows - 0.5));
    }
  }
}

TEST_CASE("contrastive: the loss of plain loops, from both sides") {
  constexpr int64_t B = 3, D = 5;
  const Tensor images = normal_tensor({B, D}, 1), texts = normal_tensor({B, D}, 2);
  const std::vector<float> a = images.to_vector(), b = texts.to_vector();
  const Tensor log_scale = Tensor::full({1}, 0.7f);
  double scores[B][B], loss = 0;
  for (int64_t i = 0; i < B; ++i)
    for (int64_t j = 0; j < B; ++j) {
      double dot = 0, aa = 0, bb = 0;
      for (int64_t d = 0; d < D; ++d) {
        const double x = a[static_cast<size_t>(i * D + d)], y = b[static_cast<size_t>(j * D + d)];
        dot += x * y;
        aa += x * x;
        bb += y * y;
      }
      scores[i][j] = std::exp(0.7f) * dot / std::sqrt(aa * bb);
    }
  for (int64_t i = 0; i < B; ++i) {
    double row = 0, column = 0;
    for (int64_t j = 0; j < B; ++j) {
      row += std::exp(scores[i][j]);
      column += std::exp(scores[j][i]);
    }
    loss += (std::log(row) + std::log(column) - 2 * scores[i][i]) / (2.0 * B);
  }
  const Var ours = similarity(Var(images), Var(texts), Var(log_scale));
  CHECK_EQ(ours.value.to_vector()[1], test::relative(scores[0][1], 1e-5));
  CHECK_EQ(contrastive_loss(ours, pair_targets(B)).total.value.item(), test::relative(loss, 1e-5));
}

TEST_CASE("contrastive: equal captions share a target; the fork's form trains nothing") {
  const std::vector<std::string> captions{"a cat", "a dog", "a cat"};
  CHECK_EQ(pair_targets(captions).to_vector(),
           std::vector<float>{0.5f, 0, 0.5f, 0, 1, 0, 0.5f, 0, 0.5f});
  CHECK_EQ(pair_targets(2).to_vector(), std::vector<float>{1, 0, 0, 1});

  ContrastiveProjections ours({.image = 400, .text = 100, .shared = 200});
  ContrastiveProjections fork({.image = 400, .text = 100, .shared = 200, .fork_compat = true});
  initialize(ours, 1);
  initialize(fork, 1);
  const auto deviation = [](const Parameter& p) {
    double squares = 0;
    for (const float v : p.value.to_vector()) {
      squares += double{v} * v;
    }
    return std::sqrt(squares / static_cast<double>(p.shape.numel()));
  };
  CHECK_EQ(deviation(ours.W_img), test::relative(0.05, 0.02));
  CHECK_EQ(deviation(ours.W_txt), test::relative(0.1, 0.02));
  CHECK_EQ(deviation(fork.W_img), test::relative(1, 0.02));
  CHECK_EQ(ours.temperature.value.item(), test::relative(std::log(1 / 0.07), 1e-6));
  CHECK_EQ(fork.temperature.value.item(), test::relative(0.1, 1e-6));
  Tape tape;
  const Var images = tape.variable(normal_tensor({3, 400}, 1));
  const Var texts = tape.variable(normal_tensor({3, 100}, 2));
  tape.backward(contrastive_loss(fork(images, texts), pair_targets(3)).total);
  CHECK_FALSE(fork.W_img.grad.defined());
  CHECK_FALSE(fork.temperature.grad.defined());
  CHECK_ERROR(Error, "similarity: pictures have 3 features and texts 4; they need one space",
              similarity(Var(Tensor::zeros({1, 3})), Var(Tensor::zeros({1, 4})),
                         Var(Tensor::zeros({1}))));
  CHECK_ERROR(Error,
              "contrastive_loss: as many texts as pictures are needed, got scores [2, 3]",
              contrastive_loss(Var(Tensor::zeros({2, 3})), pair_targets(2)));
}

TEST_CASE("clip: initial values have the published deviations") {
  Clip model({ClipVitSpec{.image_size = 64, .patch = 8, .width = 128, .layers = 4, .heads = 2},
              {.width = 128, .layers = 4, .heads = 2, .context = 77, .vocabulary = 500}});
  initialize(model, 9);
  std::map<std::string, double> expected = {
      {"token_embedding.weight", 0.02},
      {"positional_embedding", 0.01},
      {"text_projection", std::pow(128, -0.5)},
      {"visual.proj", std::pow(128, -0.5)},
      {"visual.positional_embedding", std::pow(128, -0.5)},
      {"transformer.resblocks.3.attn.in_proj_weight", std::pow(128, -0.5)},
      {"transformer.resblocks.0.attn.out_proj.weight", std::pow(128 * 8, -0.5)},
      {"transformer.resblocks.1.mlp.c_proj.weight", std::pow(128 * 8, -0.5)},
      {"transformer.resblocks.2.mlp.c_fc.weight", std::pow(256, -0.5)}};
  for (const auto& [name, p] : parameters(model)) {
    if (const auto found = expected.find(name); found != expected.end()) {
      double squares = 0;
      for (const float v : p->value.to_vector()) {
        squares += double{v} * v;
      }
      CAPTURE(name);
      CHECK_EQ(std::sqrt(squares / static_cast<double>(p->shape.numel())),
               test::relative(found->second, 0.03));
      expected.erase(found);
    }
  }
  CHECK(expected.empty());
  CHECK_EQ(model.logit_scale.value.item(), test::relative(std::log(1 / 0.07), 1e-6));
}

}  // namespace mld
