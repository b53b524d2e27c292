// A tiny CLIP-Decoder with its objective, and pictures of colours to learn from.
#pragma once

#include "data/prompts.h"
#include "models/clip_decoder.h"
#include "models/registry.h"
#include "tests/data_files.h"
#include "tests/tiny_vocabulary.h"
#include "train/caption_alignment.h"

namespace mld::test {

using Strings = std::vector<std::string>;

inline constexpr int64_t kEmbed = 8, kWidth = 16;  // of text features, of the decoder

// Every pixel as a token of three channels, without parameters.
struct Pixels : Backbone {
  Var operator()(const Var& images, const Tap&) override { return images; }
  int64_t features() const override { return 3; }
  void each(Visitor&) override {}
};

inline const fs::path& vocabulary() {
  static const TemporaryFolder folder;
  static const fs::path file = [] {
    folder.write("bpe.txt", vocabulary_text({"r e", "re d</w>"}));
    return folder.path() / "bpe.txt";
  }();
  return file;
}

inline const Strings kNames{"red", "green", "blue"};
inline const Strings kMore{"red", "grey", "green", "blue", "violet"};

inline LabelSpace space_of(const Strings& names) {
  static const Tokenizer tokenizer(vocabulary());
  return {.names = names, .vectors = prompt_tokens(tokenizer, "a photo of {}", names)};
}

inline ModelSpec small_spec(bool train_text) {
  return {.head = "clip_decoder", .classes = 3, .word_dim = 77, .embed_dim = kWidth, .ffn = 16,
          .dropout = 0,
          .clip = {.text_width = 64, .text_layers = 1, .text_embed = kEmbed,
                   .train_text = train_text}};
}

// A model of colours with its objective.
struct Learning {
  Config config;
  std::unique_ptr<Classifier> model;
  std::unique_ptr<Objective> objective;

  explicit Learning(const ModelSpec& spec, const CaptionSpec& captions = {}) {
    config.model = spec;
    config.task = Task::zero_shot;
    config.captions = captions;
    config.captions.vocabulary = test::vocabulary().native();
    model = std::make_unique<Classifier>(std::make_unique<Pixels>(),
                                         std::make_unique<ClipDecoder>(spec, 3));
    model->spec = spec;
    initialize(*model, 5);
    set_training(*model, true);
    objective = make_objective(config, *model, space_of(kNames), space_of(kMore));
  }
  ClipDecoder& head() { return dynamic_cast<ClipDecoder&>(*model->head); }

  // The loss of a batch in `parts`; gradients are added to what there are.
  double loss(const Batch& batch, int64_t parts = 1) {
    const LossTargets targets = objective->targets(batch);
    const int64_t N = batch.images.shape()[0];
    double total = 0;
    for (int64_t part = 0; part < parts; ++part) {
      const int64_t begin = N * part / parts, end = N * (part + 1) / parts;
      Tape tape({.seed = 1, .step = 1});
      const Var loss =
          objective->loss(tape, batch.images.rows(begin, end), targets.rows(begin, end),
                          static_cast<float>(end - begin) / static_cast<float>(N));
      total += static_cast<double>(loss.value.item());
      tape.backward(loss);
    }
    return total;
  }
};

// Six pictures of the three colours, the last two of all of them.
inline Batch pictures() {
  constexpr int64_t N = 6, kSide = 2;
  Batch batch{.images = Tensor({N, kSide, kSide, 3}, DType::u8), .targets = Tensor::zeros({N, 3})};
  for (int64_t i = 0; i < batch.images.numel(); ++i) {
    const int64_t n = i / (kSide * kSide * 3), c = i % 3;
    const bool shown = n >= 4 || n % 3 == c;
    batch.images.data<uint8_t>()[i] = static_cast<uint8_t>((shown ? 200 : 10) + 7 * n + i % 5);
    batch.targets.data<float>()[n * 3 + c] = shown ? 1 : 0;
  }
  return batch;
}
inline const Strings kCaptions{"a photo of red", "a photo of green", "a photo of blue",
                               "a photo of red",
                               "a photo of red, green and blue",
                               "a photo of red, green and blue"};

inline std::vector<double> doubles(const Tensor& x) {
  const std::vector<float> values = x.to_vector();
  return {values.begin(), values.end()};
}

inline Var normalised(const Batch& batch) {
  Tensor images(batch.images.shape());
  for (int64_t i = 0; i < images.numel(); ++i) {
    images.data<float>()[i] = static_cast<float>(batch.images.data<uint8_t>()[i]) / 255;
  }
  return Var(images);
}

}  // namespace mld::test
