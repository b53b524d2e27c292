#include "app/recognizer.h"

#include "app/weights_checksum.h"
#include "autograd/ops.h"
#include "core/kernels.h"
#include "data/text.h"
#include "models/clip.h"
#include "models/registry.h"
#include "models/sdl_head.h"
#include "train/objective.h"
#include "train/run_folder.h"

namespace mld {
namespace {

// A checkpoint of ours. The model is asked for all classes that it knows, in its own order, and for
// new ones behind them: where classes are not known by words alone, their places matter, and where
// one label is right, scores add up to 1. The labels asked for are chosen from that.
class CheckpointRecognizer : public Recognizer {
 public:
  explicit CheckpointRecognizer(const PictureCommand& command)
      : path_(command.checkpoint), info_(read_checkpoint_info(command.checkpoint)),
        device_(parse_device(command.device)), config_(config_of(info_)) {
    config_.train.precision = command.precision;
    labels_ = asked_labels(command.asked, info_);
    preprocess_ = for_evaluation(info_.preprocess);
    one_label_ = info_.task == Task::single_label;
    tells_seen_ = by_words_alone(info_.model);
    require<UsageError>(command.asked.vocabulary.empty() || reads_prompts(info_.model),
                        "--vocabulary: {} does not read labels as text",
                        printable(command.checkpoint));
    require<UsageError>(command.asked.vectors.empty() ||
                            (tells_seen_ && !reads_prompts(info_.model)),
                        "--vectors: {} does not know labels by word vectors alone",
                        printable(command.checkpoint));
    all_ = asked_labels({}, info_);
    for (const AskedLabel& label : labels_) {
      chosen_.push_back(static_cast<size_t>(
          label.id == AskedLabel::kUnknown ? std::ssize(all_) : label.id));
      if (label.id == AskedLabel::kUnknown) {
        all_.push_back(label);
      }
    }
    if (reads_words(info_.model)) {
      space_ = label_space_of(all_, command.asked, info_);
    }
  }

  std::string kind() const override { return embeds() ? "sdl" : "logits"; }
  uint32_t fingerprint() const override {
    return weights_checksum(CheckpointFile(weights_file(path_), Verify::metadata_only).tensors());
  }
  std::vector<std::string> columns() const override {
    std::vector<std::string> names;
    for (size_t k = 0; !embeds() && k < all_.size(); ++k) {
      names.push_back(all_[k].name);
    }
    return names;
  }
  int64_t width() const override {
    return embeds() ? info_.model.word_dim * info_.model.principal_vectors : std::ssize(all_);
  }

  Tensor embed(const Tensor& pixels, const Tap& tap) override {
    if (objective_ == nullptr) {
      load();
    }
    return objective_->outputs(pixels.to(device_), tap).to(Device{});
  }

  std::vector<std::string> model_outputs() const override {
    require(objective_ != nullptr, "recognizer: the model is not loaded yet");
    std::vector<std::string> names(all_.size());
    for (size_t k = 0; k < all_.size(); ++k) {
      names[objective_->model_column(k)] = all_[k].name;
    }
    return names;
  }

  Tensor scores(const Tensor& embeddings) const override {
    Var outputs(embeddings);
    if (embeds()) {
      outputs = sdl_scores(principal_vectors(outputs, info_.model.word_dim), space_.vectors);
    }
    const Tensor all = (one_label_ ? softmax(outputs) : sigmoid(outputs)).value;
    const int64_t n = all.shape()[0], K = all.shape()[1];
    Tensor chosen({n, std::ssize(labels_)});
    float* to = chosen.data<float>();
    for (int64_t row = 0; row < n; ++row) {
      for (const size_t k : chosen_) {
        *to++ = all.data<float>()[row * K + static_cast<int64_t>(k)];
      }
    }
    return chosen;
  }

 private:
  bool embeds() const { return info_.model.head == "sdl"; }

  void load() {
    model_ = model_from_checkpoint(path_).model;
    to(*model_, device_);
    fold_batch_norm(*model_);
    if (embeds()) {  // what the model says itself; the words come later
      objective_ = std::make_unique<Classification>(
          Classification::Spec{.normalize = config_.preprocess.normalize,
                               .precision = config_.train.precision},
          [this](const Var& images, const Tap& tap) { return (*model_)(images, tap); });
    } else {
      objective_ = make_objective(config_, *model_, seen_part(info_.label_space()), space_);
    }
  }

  std::string path_;
  CheckpointInfo info_;
  Device device_;
  Config config_;
  std::vector<AskedLabel> all_;  // the checkpoint's, then those asked for that it does not know
  std::vector<size_t> chosen_;   // where labels() are among them
  LabelSpace space_;             // of all_, with vectors; empty if the model reads none
  std::unique_ptr<Model> model_;
  std::unique_ptr<Objective> objective_;
};

}  // namespace

std::unique_ptr<Recognizer> open_recognizer(const PictureCommand& command) {
  {
    const CheckpointFile file(weights_file(command.checkpoint), Verify::metadata_only);
    if (!file.ours() && is_clip(file.names())) {
      require<UsageError>(command.asked.vectors.empty(),
                          "--vectors: a CLIP reads labels as text, not as word vectors");
      return open_clip_recognizer(command);
    }
  }
  return std::make_unique<CheckpointRecognizer>(command);
}

}  // namespace mld
