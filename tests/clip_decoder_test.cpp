// CLIP-Decoder's model: queries from prompts, a text encoder that is trained or frozen, CLIP's
// weights.
#include <algorithm>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "nn/init.h"
#include "optim/groups.h"
#include "tests/caption_learning.h"
#include "tests/reference.h"

namespace mld::test {

TEST_CASE("clip_decoder: queries are the projected features of the prompts, any number of them") {
  for (const bool normalize : {false, true}) {
    ModelSpec spec = small_spec(false);
    spec.clip.normalize_text = normalize;
    Learning learning(spec);
    ClipDecoder& head = learning.head();
    const Tensor outputs = learning.objective->outputs(pictures().images);
    REQUIRE(outputs.shape() == Shape{6, 5});
    const Tokenizer tokenizer(vocabulary());
    Strings prompts;
    for (const std::string& name : kMore) {
      prompts.push_back("a photo of " + name);
    }
    Tensor features = head.text(Var(caption_tokens(tokenizer, prompts))).value;
    features = normalize ? l2_normalize(Var(features)).value : features;
    const Var memory = head.decoder.memory(normalised(pictures()));
    const Tensor expected = head.decoder.logits(memory, Var(features)).value;
    CHECK(largest_error(doubles(outputs), doubles(expected)) < 1e-5);
  }
}

TEST_CASE("clip_decoder: a frozen text encoder computes the same and gets no gradient") {
  const Batch batch = pictures();
  Learning frozen(small_spec(false)), trained(small_spec(true));
  CHECK(frozen.loss(batch) == relative(trained.loss(batch), 1e-6));
  const auto with_gradient = [](Learning& learning, const char* part) {
    return std::ranges::count_if(parameters(*learning.model), [&](const auto& p) {
      return p.first.starts_with(part) && p.second->grad.defined();
    });
  };
  CHECK(with_gradient(frozen, "fc.text.") == 0);
  CHECK(with_gradient(trained, "fc.text.") == std::ssize(parameters(trained.head().text)));
  CHECK(with_gradient(frozen, "fc.W_") == 2);
  ModelSpec fork = small_spec(false);
  fork.clip.fork_compat = true;
  Learning fixed(fork);
  fixed.loss(batch);
  CHECK(with_gradient(fixed, "fc.W_") + with_gradient(fixed, "fc.temperature") == 0);
  // Neither projections nor texts are decayed.
  for (const TrainedParameter& t : decay_groups(*trained.model, 0.5)) {
    CAPTURE(t.name);
    const bool ours = t.name.starts_with("fc.text.") || t.name.starts_with("fc.W_") ||
                      t.name == "fc.temperature";
    const bool matrix = t.parameter->shape.rank() != 1 && !t.name.ends_with(".bias");
    CHECK(t.weight_decay == (!ours && matrix ? 0.5f : 0.0f));
  }
}

TEST_CASE("clip_decoder: kept features follow the encoder's values") {
  const Batch batch = pictures();
  for (const bool train_text : {false, true}) {
    Learning learning(small_spec(train_text));
    const std::vector<float> before = learning.objective->outputs(batch.images).to_vector();
    CHECK(learning.objective->outputs(batch.images).to_vector() == before);
    learning.loss(batch);
    CHECK(learning.objective->outputs(batch.images).to_vector() == before);
    Parameter& moved = learning.head().text.text_projection;
    Tensor other = moved.value.clone();
    for (int64_t i = 0; i < other.numel(); ++i) {
      other.data<float>()[i] *= -1;
    }
    std::swap(moved.value, other);
    set_training(*learning.model, false);  // as whoever changes values does
    CHECK(learning.objective->outputs(batch.images).to_vector() != before);
    std::swap(moved.value, other);
    set_training(*learning.model, false);
    CHECK(learning.objective->outputs(batch.images).to_vector() == before);
  }
}

TEST_CASE("clip_decoder: features of an update are not kept past it") {
  Learning learning(small_spec(true));
  ClipDecoder& head = learning.head();
  head.set_words(space_of(kNames).vectors);
  const Var x = normalised(pictures());
  const auto outputs = [&] { return head(x).value.to_vector(); };
  const std::vector<float> before = outputs();
  Tape tape({.seed = 1, .step = 1});
  head(tape.constant(x.value));
  fill(head.text.text_projection, 0.1f);  // as an optimiser does, in place
  CHECK(outputs() != before);
}

TEST_CASE("clip_decoder: random queries, and noise on text features") {
  ModelSpec spec = small_spec(false);
  for (const RandomTarget target : {RandomTarget::label, RandomTarget::is_random}) {
    spec.num_random = 2;
    spec.random_target = target;
    spec.noise_std = 0.1;
    Learning learning(spec);
    const double loss = learning.loss(pictures());
    CHECK(std::isfinite(loss));
    const int64_t columns = target == RandomTarget::label ? 5 : 8;
    CHECK(learning.objective->targets(pictures()).values.shape() == Shape{6, columns});
    CHECK(learning.objective->outputs(pictures().images).shape() == Shape{6, 5});
  }
}

TEST_CASE("texts without padding have the same features") {
  const Tokenizer tokenizer(vocabulary());
  Learning learning(small_spec(false));
  const Tensor ids = caption_tokens(tokenizer, Strings{"red", "a photo of red and green"});
  const Tensor shorter = without_padding(ids);
  CHECK(shorter.shape()[1] < 30);
  ClipText& text = learning.head().text;
  CHECK(largest_error(doubles(text(Var(shorter)).value), doubles(text(Var(ids)).value)) <
        1e-5);
}

TEST_CASE("clip_decoder: CLIP's weights") {
  Learning learning(small_spec(false));
  const ClipSpec sizes{ClipVitSpec{.image_size = 32, .patch = 8, .width = 64, .layers = 1,
                                   .heads = 1, .embed = kEmbed},
                       learning.head().text.spec};
  Clip clip(sizes);
  initialize(clip, 9);
  const StateDict state = state_dict(clip);
  const auto views = [](const StateDict& tensors) {
    std::vector<StateView> all;
    for (const auto& [name, t] : tensors) {
      all.push_back({name, t.shape(), t.dtype(), t.raw()});
    }
    return all;
  };
  load_clip_text(learning.head(), views(state));
  CHECK(learning.head().text.text_projection.value.to_vector() ==
        clip.text.text_projection.value.to_vector());
  StateDict no_texts;
  std::ranges::copy_if(state, std::back_inserter(no_texts),
                       [](const auto& entry) { return entry.first.starts_with("visual."); });
  CHECK_ERROR(DataError, "the weights have no text tower of CLIP: there is no "
              "token_embedding.weight; expected a state dict under OpenAI's names or open_clip's",
              load_clip_text(learning.head(), views(no_texts)));
  ModelSpec other = small_spec(false);
  other.clip.text_embed = 2 * kEmbed;
  Learning wider(other);
  CHECK_ERROR(DataError, "its text encoder has other sizes than the model's; set clip.text_width "
              "= 64, clip.text_layers = 1, clip.text_embed = 8",
              load_clip_text(wider.head(), views(state)));
}

TEST_CASE("errors: clip_decoder") {
  ModelSpec spec = small_spec(false);
  spec.clip.text_width = 100;
  CHECK_ERROR(UsageError, "clip_decoder: clip.text_width must be a multiple of 64, "
              "clip.text_layers and clip.text_embed at least 1; got 100, 1, 8",
              ClipDecoder(spec, 3));
  Learning learning(small_spec(false));
  Config config = learning.config;
  config.captions.vocabulary.clear();
  const auto objective =
      make_objective(config, *learning.model, space_of(kNames), space_of(kMore));
  const std::string missing =
      "clip.vocabulary is missing: this model reads texts; give CLIP's file of merges, "
      "clip/bpe_simple_vocab_16e6.txt.gz of https://github.com/openai/CLIP";
  CHECK_ERROR(UsageError, missing, objective->targets(pictures()));
  CHECK_ERROR(UsageError, missing, class_prompts(config, kNames));
  CHECK(learning.objective->outputs(pictures().images).shape() == Shape{6, 5});  // needs no file
  config.captions.vocabulary = vocabulary().native();
  CHECK(message_of<DataError>([&] {
          class_prompts(config, {"red", "Red"});
        }).starts_with("the data: the classes 'red' and 'Red' differ only in capital letters"));
  ClipDecoder fresh(small_spec(false), 3);
  initialize(fresh, 1);
  CHECK_ERROR(Error, "clip_decoder: its classes are known by prompts; call set_words()",
              fresh(normalised(pictures())));
  const auto gap = make_model({.backbone = "resnet18", .head = "gap", .classes = 2});
  CHECK_ERROR(Error, "model: it has no text encoder, it reads no captions",
              gap->pair_scores(Var(Tensor::zeros({1, 2})), Tensor::zeros({1, 77})));
}

}  // namespace mld::test
