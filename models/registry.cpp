#include "models/registry.h"

#include "models/gap_head.h"
#include "models/ml_decoder.h"
#include "models/resnet.h"

namespace mld {

namespace {

struct NamedResNet {
  const char* name;
  bool bottleneck;
  std::array<int, 4> layers;
};

constexpr std::array<NamedResNet, 5> kResNets{{
    {"resnet18", false, {2, 2, 2, 2}},
    {"resnet34", false, {3, 4, 6, 3}},
    {"resnet50", true, {3, 4, 6, 3}},
    {"resnet101", true, {3, 4, 23, 3}},
    {"resnet152", true, {3, 8, 36, 3}},
}};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::unique_ptr<Backbone> make_backbone(const ModelSpec& spec) {
  for (const NamedResNet& known : kResNets) {
    if (spec.backbone == known.name) {
      return std::make_unique<ResNet>(ResNetSpec{.bottleneck = known.bottleneck,
                                                 .layers = known.layers});
    }
  }
  fail<UsageError>("model.backbone: unknown backbone \"{}\"; known are {}", spec.backbone,
                   joined(backbone_names()));
}

std::unique_ptr<Head> make_head(const ModelSpec& spec, int64_t features) {
  require<UsageError>(spec.classes > 0, "model: needs at least one class, got {}", spec.classes);
  if (spec.head == "gap") {
    return std::make_unique<GapHead>(features, spec.classes);
  }
  if (spec.head == "ml_decoder") {
    return std::make_unique<MlDecoder>(MlDecoderSpec{.features = features,
                                                     .classes = spec.classes,
                                                     .groups = spec.groups,
                                                     .embed_dim = spec.embed_dim,
                                                     .ffn = spec.ffn,
                                                     .dropout = static_cast<float>(spec.dropout),
                                                     .query = spec.query});
  }
  fail<UsageError>("model.head: unknown head \"{}\"; known are {}", spec.head,
                   joined(head_names()));
}

}  // namespace

const std::vector<std::string>& backbone_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const NamedResNet& known : kResNets) {
      all.emplace_back(known.name);
    }
    return all;
  }();
  return names;
}

const std::vector<std::string>& head_names() {
  static const std::vector<std::string> names{"gap", "ml_decoder"};
  return names;
}

Classifier::Classifier(std::unique_ptr<Backbone> backbone_, std::unique_ptr<Head> head_)
    : backbone(std::move(backbone_)),
      head(std::move(head_)),
      head_name(backbone->head_name(dynamic_cast<const GapHead*>(head.get()) != nullptr)) {}

Var Classifier::operator()(const Var& images, const Tap& tap) {
  const Shape& s = images.shape();
  require(s.rank() == 4 && s[3] == 3, "model: pictures must be [N, H, W, 3], got {}", s);
  return (*head)((*backbone)(images, tap), tap);
}

void Classifier::each(Visitor& v) {
  v("", *backbone);
  v(head_name, *head);
}

std::unique_ptr<Classifier> make_model(const ModelSpec& spec) {
  std::unique_ptr<Backbone> backbone = make_backbone(spec);
  std::unique_ptr<Head> head = make_head(spec, backbone->features());
  auto model = std::make_unique<Classifier>(std::move(backbone), std::move(head));
  model->spec = spec;
  return model;
}

}  // namespace mld
