// A file of weights, ready to score pictures for labels: what predict, attention and search share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/asked_labels.h"
#include "core/tensor.h"
#include "data/preprocess.h"
#include "models/backbone.h"

namespace mld {

// Pictures become embeddings, and embeddings scores. What an embedding is depends on the model:
// SDL's principal vectors, CLIP's features, else the logits of the labels themselves.
class Recognizer {
 public:
  virtual ~Recognizer() = default;

  const std::vector<AskedLabel>& labels() const { return labels_; }
  const Preprocess& preprocess() const { return preprocess_; }  // for evaluation
  bool one_label() const { return one_label_; }  // whether exactly one is right for a picture
  bool tells_seen() const { return tells_seen_; }  // whether some labels may be new to the model
  // "sdl", "clip" or "logits", and a number that changes with the weights: embeddings can be
  // searched by what made them.
  virtual std::string kind() const = 0;
  virtual uint32_t fingerprint() const = 0;
  // Logits: the labels they are of, whether they were asked for or not. Else none: such embeddings
  // can be compared with any label.
  virtual std::vector<std::string> columns() const { return {}; }
  // How many numbers an embedding has.
  virtual int64_t width() const = 0;

  // pixels u8 [n, S, S, 3] -> f32 [n, width()], on the CPU. The first call loads the model. `tap`
  // sees what passes inside a checkpoint's model.
  virtual Tensor embed(const Tensor& pixels, const Tap& tap = {}) = 0;
  // embeddings f32 [n, width()], on the CPU -> f32 [n, labels]: scores 0 to 1. With one_label()
  // they add up to 1 over all classes that a checkpoint knows; of a CLIP, over the labels.
  virtual Tensor scores(const Tensor& embeddings) const = 0;
  // The same, but comparable between pictures whatever other labels there are.
  virtual Tensor similarities(const Tensor& embeddings) const { return scores(embeddings); }
  virtual bool cosines() const { return false; }  // whether similarities() are, not 0 to 1
  // The names of a checkpoint's classes, then of the others asked for, in the order of the model's
  // own outputs. Errors: Error before embed(), and for a CLIP.
  virtual std::vector<std::string> model_outputs() const {
    fail("recognizer: a CLIP has no outputs for classes");
  }

 protected:
  std::vector<AskedLabel> labels_;
  Preprocess preprocess_;
  bool one_label_ = false, tells_seen_ = false;
};

// For a checkpoint of ours, or a CLIP (OpenAI's or open_clip's state dict), which needs labels and
// the tokenizer's vocabulary. Errors: DataError for a file that is neither, as
// model_from_checkpoint; as asked_labels and label_space_of; UsageError for a CLIP without labels
// or vocabulary.
std::unique_ptr<Recognizer> open_recognizer(const PictureCommand& command);

// app/clip_recognizer.cpp: the same for what is_clip().
std::unique_ptr<Recognizer> open_clip_recognizer(const PictureCommand& command);

}  // namespace mld
