#include "app/recognizer.h"

#include "app/weights_checksum.h"

#include "autograd/ops.h"
#include "core/kernels.h"
#include "data/text.h"
#include "models/registry.h"
#include "models/sdl_head.h"
#include "train/objective.h"
#include "train/run_folder.h"

namespace mld {
namespace {

// A checkpoint of ours.
class CheckpointRecognizer : public Recognizer {
 public:
  explicit CheckpointRecognizer(const PictureCommand& command)
      : path_(command.checkpoint), info_(read_checkpoint_info(command.checkpoint)),
        device_(parse_device(command.device)), config_(config_of(info_)) {
    config_.train.precision = command.precision;
    labels_ = asked_labels(command.asked, info_);
    preprocess_ = for_evaluation(info_.preprocess);
    one_label_ = info_.task == Task::single_label;
    fingerprint_ = weights_checksum(
        CheckpointFile(weights_file(path_), Verify::metadata_only).tensors());
    if (reads_words(info_.model)) {
      space_ = label_space_of(labels_, command.asked, info_);
    }
  }

  bool open() const override { return embeds(); }
  std::string kind() const override { return embeds() ? "sdl" : "logits"; }

  Tensor embed(const Tensor& pixels) override {
    if (objective_ == nullptr) {
      load();
    }
    return chosen_columns(objective_->outputs(pixels.to(device_)).to(Device{}));
  }

  Tensor scores(const Tensor& embeddings) const override {
    Var outputs(embeddings);
    if (embeds()) {
      outputs = sdl_scores(principal_vectors(outputs, info_.model.word_dim), space_.vectors);
    }
    return (one_label_ ? softmax(outputs) : sigmoid(outputs)).value;
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
          [this](const Var& images) { return (*model_)(images); });
    } else {
      objective_ = make_objective(config_, *model_, space_, space_);
    }
  }

  // A model with fixed classes gives the logits of all of them.   [n, K] -> [n, labels]
  Tensor chosen_columns(Tensor all) const {
    if (embeds() || space_.vectors.defined()) {
      return all;
    }
    const int64_t n = all.shape()[0], K = all.shape()[1];
    Tensor chosen({n, std::ssize(labels_)});
    float* to = chosen.data<float>();
    for (int64_t row = 0; row < n; ++row) {
      for (const AskedLabel& label : labels_) {
        *to++ = all.data<float>()[row * K + label.id];
      }
    }
    return chosen;
  }

  std::string path_;
  CheckpointInfo info_;
  Device device_;
  Config config_;
  LabelSpace space_;  // of labels(), with vectors; empty if the model reads none
  std::unique_ptr<Model> model_;
  std::unique_ptr<Objective> objective_;
};

}  // namespace

std::unique_ptr<Recognizer> open_recognizer(const PictureCommand& command) {
  {
    CheckpointFile file(weights_file(command.checkpoint), Verify::metadata_only);
    if (!file.ours() && is_clip(file.tensors())) {
      return open_clip_recognizer(command);
    }
  }
  return std::make_unique<CheckpointRecognizer>(command);
}

}  // namespace mld
