// CLIP without any training: pictures and prompts are compared in one space of features
// (arXiv 2103.00020, section 3.1).
#include <algorithm>
#include <cmath>

#include "app/recognizer.h"
#include "app/weights_checksum.h"
#include "autograd/ops.h"
#include "core/kernels.h"
#include "data/text.h"
#include "data/tokenizer.h"
#include "models/clip.h"
#include "train/objective.h"
#include "train/run_folder.h"
#include "train/thresholds.h"

namespace mld {
namespace {

int64_t picture_size(const ClipSpec& spec) {
  return std::visit([](const auto& vision) { return vision.image_size; }, spec.vision);
}

// Prompts to features of length 1.   -> f32 [labels, embed]
Tensor text_features(ClipText& tower, const LabelRequest& asked,
                     const std::vector<AskedLabel>& labels) {
  constexpr int64_t kAtOnce = 64;  // bounds the memory
  require<UsageError>(!asked.vocabulary.empty(),
                      "a CLIP reads labels as text: name its vocabulary, --vocabulary "
                      "bpe_simple_vocab_16e6.txt.gz, a file of the CLIP repository (folder clip)");
  const Tokenizer tokenizer{std::filesystem::path(asked.vocabulary)};
  require<DataError>(tower.spec.vocabulary == Tokenizer::kVocabulary,
                     "{}: {} tokens, but the model has {}", printable(asked.vocabulary),
                     int64_t{Tokenizer::kVocabulary}, tower.spec.vocabulary);
  Tensor features({std::ssize(labels), tower.spec.embed});
  float* to = features.data<float>();
  for (int64_t first = 0; first < std::ssize(labels); first += kAtOnce) {
    const int64_t n = std::min(kAtOnce, std::ssize(labels) - first);
    Tensor ids({n, tower.spec.context}, DType::i32);
    for (int64_t i = 0; i < n; ++i) {
      std::string prompt = asked.prompt;
      prompt.replace(prompt.find("{}"), 2, labels[static_cast<size_t>(first + i)].name);
      std::ranges::copy(tokenizer.context(prompt, tower.spec.context),
                        ids.data<int32_t>() + i * tower.spec.context);
    }
    const Tensor part = l2_normalize(tower(Var(ids))).value;
    to = std::copy_n(part.data<float>(), part.numel(), to);
  }
  return features;
}

// What cosines are multiplied by before the softmax: exp(logit_scale).
float scale_of(std::span<const StateView> state, const std::string& file) {
  for (const StateView& view : state) {
    if (view.name.ends_with("logit_scale") && view.shape.numel() == 1 &&
        (view.dtype == DType::f32 || view.dtype == DType::bf16)) {
      const float log = view.dtype == DType::f32
                            ? *static_cast<const float*>(view.data)
                            : static_cast<float>(*static_cast<const bf16*>(view.data));
      require<DataError>(std::isfinite(std::exp(log)), "{}: logit_scale is {}", file, log);
      return std::exp(log);
    }
  }
  fail<DataError>("{}: logit_scale is missing, or no number", file);
}

class ClipRecognizer : public Recognizer {
 public:
  explicit ClipRecognizer(const PictureCommand& command)
      : path_(command.checkpoint), device_(parse_device(command.device)),
        precision_(command.precision) {
    CheckpointFile file(weights_file(path_));
    const std::vector<StateView> state = file.tensors();
    spec_ = in_file(file.path(), [&] { return clip_spec_of(state); });
    const std::vector<std::string> names = asked_names(command.asked);
    require<UsageError>(!names.empty() || !command.asked.needed,
                        "{}: a CLIP has no labels of its own: give --labels or --labels-file",
                        printable(path_));
    for (const std::string& name : names) {
      labels_.push_back({.name = name, .threshold = kDefaultThreshold});
    }
    preprocess_ = {.image_size = picture_size(spec_),
                   .resize = ResizeMode::crop,
                   .interpolation = Interpolation::bicubic,
                   .normalize = Normalize::clip};
    one_label_ = true;
    scale_ = scale_of(state, file.path());
    if (labels_.empty()) {
      return;
    }
    texts_ = text_features(*in_file(file.path(), [&] { return clip_text_of(state); }),
                           command.asked, labels_);
  }

  std::string kind() const override { return "clip"; }
  uint32_t fingerprint() const override {
    return weights_checksum(CheckpointFile(weights_file(path_)).tensors());
  }
  int64_t width() const override { return spec_.text.embed; }
  bool cosines() const override { return true; }

  Tensor embed(const Tensor& pixels, const Tap&) override {
    if (model_ == nullptr) {
      load();
    }
    return encode_->outputs(pixels.to(device_)).to(Device{});
  }

  Tensor similarities(const Tensor& embeddings) const override {
    return linear(Var(embeddings), Var(texts_)).value;
  }

  Tensor scores(const Tensor& embeddings) const override {
    return softmax(scale(Var(similarities(embeddings)), scale_)).value;
  }

 private:
  void load() {
    CheckpointFile file(weights_file(path_));
    model_ = std::make_unique<Clip>(spec_);
    in_file(file.path(), [&] { load_clip(*model_, file.tensors()); return 0; });
    set_training(*model_, false);
    to(*model_, device_);
    fold_batch_norm(*model_);
    encode_ = std::make_unique<Classification>(
        Classification::Spec{.normalize = Normalize::clip, .precision = precision_},
        [this](const Var& images, const Tap&) {
          return l2_normalize(cast(model_->embed_images(images), DType::f32));
        });
  }

  std::string path_;
  Device device_;
  DType precision_;
  ClipSpec spec_;
  float scale_ = 1;
  Tensor texts_;  // f32 [labels, embed]
  std::unique_ptr<Clip> model_;
  std::unique_ptr<Classification> encode_;
};

}  // namespace

std::unique_ptr<Recognizer> open_clip_recognizer(const PictureCommand& command) {
  return std::make_unique<ClipRecognizer>(command);
}

}  // namespace mld
