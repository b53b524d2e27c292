#include "models/summary.h"

namespace mld {

// "layer1.0.conv1" of "layer1.0.conv1.weight".
static std::string module_of(const std::string& parameter) {
  const size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? parameter : parameter.substr(0, dot);
}

ModelSummary model_summary(const ModelSpec& spec, int64_t height, int64_t width) {
  ModelSummary summary;
  meta::Meter meter;
  meta::Ledger ledger;
  const std::unique_ptr<Classifier> model = make_model(spec);
  to(*model, kMeta);
  if (model->word_dim() > 0) {
    model->set_words(Tensor({spec.classes, model->word_dim()}, DType::f32, kMeta));
  }
  for (const auto& [name, p] : parameters(*model)) {
    ledger.own(p->value, module_of(name), p->shape.numel());
    summary.trainable += p->trainable ? p->shape.numel() : 0;
  }
  for (const auto& [name, b] : buffers(*model)) {
    ledger.own(b->value, module_of(name), 0);
  }
  size_t begin = 0;
  const auto end_stage = [&](std::string_view name, const Var& y) {
    summary.stages.push_back(meta::total(ledger.lines, begin, name, y.shape()));
    begin = ledger.lines.size();
  };
  const Var images(Tensor({1, height, width, 3}, DType::f32, kMeta));
  if (model->reads_prompts()) {
    (*model)(images);  // encodes the classes' prompts, once for all pictures
  }
  meter.observe([&](const meta::Call& call) { ledger.add(call); });
  const Var logits = (*model)(images, [&](std::string_view stage, const Var& y) {
    if (is_backbone_stage(stage)) {
      end_stage(stage, y);
    }
  });
  end_stage("head", logits);
  summary.total = meta::total(ledger.lines, 0, "total", logits.shape());
  summary.total.parameters = count_parameters(*model);
  summary.layers = std::move(ledger.lines);
  summary.peak = meter.peak();
  return summary;
}

}  // namespace mld
