// From a model's description to the model.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/normalize.h"
#include "core/table.h"
#include "models/model.h"
#include "models/model_spec.h"

namespace mld {

// ---- the tables: a row holds all that is known about a name -------------------------------------

struct BackboneRow {
  std::string_view name;
  std::string_view timm_name;  // of the same network; "" if timm has none
  std::unique_ptr<Backbone> (*make)();
  std::string_view head_name;   // the prefix of a head's parameters in published names
  std::string_view first_conv;  // the convolution that reads the picture
  Normalize trained_with;       // of the published weights
  LinearStyle linear{};         // of the published classifier

  std::string classifier_name() const;  // "fc", "head.fc"
};
struct HeadRow {
  std::string_view name;
  // `linear` is the backbone's, for a head that has its published classifier's place.
  std::unique_ptr<Head> (*make)(const ModelSpec& spec, int64_t features, const LinearStyle& linear);
  int attention_heads;  // of its decoder, they divide model.embed_dim; 0: it has no attention
  // Whether it reads its classes' word vectors; and whether it knows them by these alone, so that
  // it can be asked for any class, in any order.
  bool (*reads_words)(const ModelSpec& spec) = [](const ModelSpec&) { return false; };
  bool (*by_words_alone)(const ModelSpec& spec) = [](const ModelSpec&) { return false; };
  bool reads_prompts = false;  // these are prompts: Note [Classes by prompts]
  // With attention: how many classes each query answers, in the order of the outputs.
  int64_t (*classes_per_query)(const ModelSpec& spec) = [](const ModelSpec&) -> int64_t {
    return 1;
  };
};
std::span<const BackboneRow> backbones();
std::span<const HeadRow> heads();
// Errors: UsageError for an unknown name (lists the known ones).
const BackboneRow& backbone_row(const ModelSpec& spec);
const HeadRow& head_row(const ModelSpec& spec);
bool reads_words(const ModelSpec& spec);     // as the head's row says
bool by_words_alone(const ModelSpec& spec);  // the same
bool reads_prompts(const ModelSpec& spec);   // the same

// ---- models -------------------------------------------------------------------------------------

// Turns pictures into logits: a backbone and a head under the names of the published checkpoints.
struct Classifier : Model {
  std::unique_ptr<Backbone> backbone;
  std::unique_ptr<Head> head;
  std::string head_name;  // "fc": the head's members are "fc.weight" or "fc.decoder..."

  // From given parts, for models that are not in the tables.
  Classifier(std::unique_ptr<Backbone> backbone, std::unique_ptr<Head> head,
             std::string_view head_name = "fc");

  Var operator()(const Var& images, const Tap& tap = {}) override;
  int64_t features() const override { return backbone->features(); }
  int64_t word_dim() const override { return head->word_dim(); }
  void set_words(const Tensor& words) override { head->set_words(words); }
  bool embeds() const override { return head->embeds(); }
  bool reads_prompts() const override { return head->reads_prompts(); }
  Var pair_scores(const Var& pictures, const Tensor& captions) override {
    return head->pair_scores(pictures, captions);
  }
  std::vector<float> extra_targets() const override { return head->extra_targets(); }
  void each(Visitor& v) override;
};

// Freezes parts of a model: "backbone", or names of parameters and modules ("conv1,bn1,layer1"),
// separated by commas; "" is none. Errors: UsageError for a name that is not in the model, or if
// nothing is left to train.
void freeze_parts(Classifier& model, const std::string& parts);

// Errors: UsageError for an unknown backbone or head, no classes, or an embed_dim that is not a
// multiple of the number of attention heads.
std::unique_ptr<Classifier> make_model(const ModelSpec& spec);

}  // namespace mld
