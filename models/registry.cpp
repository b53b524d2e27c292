#include "models/registry.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "models/clip_decoder.h"
#include "models/clip_vision.h"
#include "models/efficientnet_lite.h"
#include "models/gap_head.h"
#include "models/ml_decoder.h"
#include "models/residual.h"
#include "models/resnet.h"
#include "models/sdl_head.h"
#include "models/transformer_decoder.h"
#include "models/tresnet.h"

namespace mld {

namespace {

template <bool bottleneck, int... layers>
std::unique_ptr<Backbone> resnet() {
  return std::make_unique<ResNet>(ResNetSpec{.bottleneck = bottleneck, .layers = {layers...}});
}

template <TResNetSpec spec>
std::unique_ptr<Backbone> tresnet() {
  return std::make_unique<TResNet>(spec);
}

// The variants of spec/backbones.md 3. The L and XL of the ML-Decoder paper are the ones without a
// version; "v2" of the TResNet repository differs from its L in its slopes alone.
constexpr TResNetSpec kTResNetS{.layers = {3, 4, 6, 3}};
constexpr TResNetSpec kTResNetM{.layers = {3, 4, 11, 3}};
constexpr TResNetSpec kTResNetL{.layers = {3, 4, 23, 3}, .basic_first = false};
constexpr TResNetSpec kTResNetXl{.layers = {3, 8, 34, 5}, .basic_first = false};
constexpr TResNetSpec kTResNetLV1{.layers = {4, 5, 18, 3}, .planes = 76};   // floor(1.2 * 64)
constexpr TResNetSpec kTResNetXlV1{.layers = {4, 5, 24, 3}, .planes = 83};  // floor(1.3 * 64)
constexpr TResNetSpec kTResNetLV2{
    .layers = {3, 4, 23, 3}, .basic_first = false, .stem_slope = 1e-6f, .block_slope = 1e-6f};

constexpr LinearStyle kTResNetLinear{.name = "fc", .weight_std = 0.01f};

constexpr BackboneRow resnet_row(std::string_view name, std::unique_ptr<Backbone> (*make)()) {
  return {name, name, make, "fc", "conv1", Normalize::imagenet};
}

constexpr BackboneRow tresnet_row(std::string_view name, std::string_view timm_name,
                                  std::unique_ptr<Backbone> (*make)()) {
  return {name, timm_name, make, "head", "body.conv1.0", Normalize::none, kTResNetLinear};
}

template <EfficientNetLiteSpec spec>
std::unique_ptr<Backbone> lite() {
  return std::make_unique<EfficientNetLite>(spec);
}

constexpr BackboneRow lite_row(std::string_view name, std::string_view timm_name,
                               std::unique_ptr<Backbone> (*make)()) {
  return {name, timm_name, make, "classifier", "conv_stem", Normalize::inception,
          {.by_classes = true}};
}

// CLIP's image encoders, without the last pool.
template <int layers, int patch, int width, int image_size>
std::unique_ptr<Backbone> clip_vit() {
  return std::make_unique<ClipVit>(ClipVitSpec{.image_size = image_size,
                                               .patch = patch,
                                               .width = width,
                                               .layers = layers,
                                               .heads = width / 64,
                                               .embed = 0});
}

template <int... layers>
std::unique_ptr<Backbone> clip_resnet() {
  return std::make_unique<ClipResNet>(ClipResNetSpec{.layers = {layers...}, .embed = 0});
}

constexpr BackboneRow clip_row(std::string_view name, std::unique_ptr<Backbone> (*make)()) {
  return {name, "", make, "head", "visual.conv1", Normalize::clip};
}

std::unique_ptr<Head> gap(const ModelSpec& spec, int64_t features, const LinearStyle& linear) {
  return std::make_unique<GapHead>(features, spec.classes, linear);
}

std::unique_ptr<Head> ml_decoder(const ModelSpec& spec, int64_t features, const LinearStyle&) {
  return std::make_unique<MlDecoder>(spec, features);
}

std::unique_ptr<Head> transformer_decoder(const ModelSpec& spec, int64_t features,
                                          const LinearStyle&) {
  return std::make_unique<TransformerDecoder>(spec, features);
}

std::unique_ptr<Head> sdl(const ModelSpec& spec, int64_t features, const LinearStyle&) {
  return std::make_unique<SdlHead>(spec, features);
}

std::unique_ptr<Head> clip_decoder(const ModelSpec& spec, int64_t features, const LinearStyle&) {
  return std::make_unique<ClipDecoder>(spec, features);
}

constexpr BackboneRow kBackbones[] = {
    resnet_row("resnet18", resnet<false, 2, 2, 2, 2>),
    resnet_row("resnet34", resnet<false, 3, 4, 6, 3>),
    resnet_row("resnet50", resnet<true, 3, 4, 6, 3>),
    resnet_row("resnet101", resnet<true, 3, 4, 23, 3>),
    resnet_row("resnet152", resnet<true, 3, 8, 36, 3>),
    tresnet_row("tresnet_s", "", tresnet<kTResNetS>),
    tresnet_row("tresnet_m", "tresnet_m", tresnet<kTResNetM>),
    tresnet_row("tresnet_l", "tresnet_v2_l", tresnet<kTResNetL>),
    tresnet_row("tresnet_xl", "", tresnet<kTResNetXl>),
    tresnet_row("tresnet_l_v1", "tresnet_l", tresnet<kTResNetLV1>),
    tresnet_row("tresnet_xl_v1", "tresnet_xl", tresnet<kTResNetXlV1>),
    tresnet_row("tresnet_l_v2", "", tresnet<kTResNetLV2>),
    lite_row("efficientnet_lite0", "tf_efficientnet_lite0", lite<EfficientNetLiteSpec{1.0, 1.0}>),
    lite_row("efficientnet_lite1", "tf_efficientnet_lite1", lite<EfficientNetLiteSpec{1.0, 1.1}>),
    lite_row("efficientnet_lite2", "tf_efficientnet_lite2", lite<EfficientNetLiteSpec{1.1, 1.2}>),
    lite_row("efficientnet_lite3", "tf_efficientnet_lite3", lite<EfficientNetLiteSpec{1.2, 1.4}>),
    lite_row("efficientnet_lite4", "tf_efficientnet_lite4", lite<EfficientNetLiteSpec{1.4, 1.8}>),
    clip_row("clip_rn50", clip_resnet<3, 4, 6, 3>),
    clip_row("clip_rn101", clip_resnet<3, 4, 23, 3>),
    clip_row("clip_vit_b32", clip_vit<12, 32, 768, 224>),
    clip_row("clip_vit_b16", clip_vit<12, 16, 768, 224>),
    clip_row("clip_vit_tiny", clip_vit<6, 8, 192, 64>),  // ours, to train from scratch
};

bool always(const ModelSpec&) { return true; }

constexpr HeadRow kHeads[] = {
    {"gap", gap, 0},
    {"ml_decoder", ml_decoder, kMlDecoderHeads, ml_decoder_reads_words,
     ml_decoder_by_words_alone, false, ml_decoder_group_size},
    {"transformer_decoder", transformer_decoder, kTransformerDecoderHeads},
    {"sdl", sdl, 0, always, always},
    {"clip_decoder", clip_decoder, kMlDecoderHeads, always, always, true,
     clip_decoder_group_size},
};

}  // namespace

std::string BackboneRow::classifier_name() const {
  return std::string(head_name) + (linear.name.empty() ? "" : ".") + std::string(linear.name);
}

std::span<const BackboneRow> backbones() { return kBackbones; }
std::span<const HeadRow> heads() { return kHeads; }

const BackboneRow& backbone_row(const ModelSpec& spec) {
  return row_named(backbones(), spec.backbone, "model.backbone");
}

const HeadRow& head_row(const ModelSpec& spec) {
  return row_named(heads(), spec.head, "model.head");
}

bool reads_words(const ModelSpec& spec) { return head_row(spec).reads_words(spec); }
bool by_words_alone(const ModelSpec& spec) { return head_row(spec).by_words_alone(spec); }
bool reads_prompts(const ModelSpec& spec) { return head_row(spec).reads_prompts; }

Classifier::Classifier(std::unique_ptr<Backbone> backbone_, std::unique_ptr<Head> head_,
                       std::string_view head_name_)
    : backbone(std::move(backbone_)), head(std::move(head_)), head_name(head_name_) {}

Var Classifier::operator()(const Var& images, const Tap& tap) {
  const Shape& s = images.shape();
  require(s.rank() == 4 && s[3] == 3, "model: pictures must be [N, H, W, 3], got {}", s);
  const Var features = (*backbone)(images, tap);
  if (tap) {
    tap("features", features);
  }
  return (*head)(features, tap);
}

void Classifier::each(Visitor& v) {
  v("", *backbone);
  v(head_name, *head);
}

void freeze_parts(Classifier& model, const std::string& parts) {
  std::istringstream list(parts);
  for (std::string part; std::getline(list, part, ',');) {
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    if (part == "backbone") {
      freeze(*model.backbone);
      continue;
    }
    std::set<std::string> known;
    for (const auto& [name, p] : parameters(model)) {
      known.insert(name.substr(0, name.find('.')));
    }
    require<UsageError>(freeze(model, part),
                        "train.freeze: nothing in the model is called \"{}\"; it has backbone, "
                        "{}, and what they contain, as in layer1.0", part,
                        fmt::join(known, ", "));
  }
  const NamedParameters all = parameters(model);
  require<UsageError>(std::ranges::any_of(all, [](const auto& p) { return p.second->trainable; }),
                      "train.freeze: \"{}\" leaves nothing to train", parts);
}

std::unique_ptr<Classifier> make_model(const ModelSpec& spec) {
  const BackboneRow& row = backbone_row(spec);
  const HeadRow& head = head_row(spec);
  require<UsageError>(spec.classes > 0, "model: needs at least one class, got {}", spec.classes);
  std::unique_ptr<Backbone> backbone = row.make();
  set_drop_path(*backbone, spec.drop_path);
  const int64_t features = backbone->features();
  auto model = std::make_unique<Classifier>(
      std::move(backbone), head.make(spec, features, row.linear), row.head_name);
  model->spec = spec;
  return model;
}

}  // namespace mld
