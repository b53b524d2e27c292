// Names of other programs against their published lists, and their values against the definition.
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include "models/naming.h"
#include "nn/layers.h"
#include "reference.h"
#include "train/hf_config.h"

namespace mld {
namespace {

std::vector<std::string> published(const char* list) {
  std::ifstream file(reference::fixture("param_lists.json"));
  std::stringstream text;
  text << file.rdbuf();
  rapidjson::Document document;
  document.Parse(text.str().c_str());
  REQUIRE_FALSE(document.HasParseError());
  std::vector<std::string> names;
  for (const auto& entry : document[list]["entries"].GetArray()) {
    names.emplace_back(entry[0].GetString());
  }
  return names;
}

const NamingScheme& scheme(const char* name, const char* backbone, const char* head = "gap") {
  return scheme_named(name, {.backbone = backbone, .head = head});
}

std::string theirs(const NamingScheme& scheme, const std::string& ours) {
  const ForeignName foreign = foreign_names(scheme, std::vector{ours})[0];
  return foreign.name + (foreign.transform == Transform::abn_scale ? " |w| + eps" : "");
}

TEST_CASE("naming: timm's TResNet") {  // timm 1.0's state_dict() of tresnet_m
  const NamingScheme& timm = scheme("timm", "tresnet_m");
  const std::pair<const char*, const char*> names[] = {
      {"body.conv1.0.weight", "body.conv1.conv.weight"},
      {"body.conv1.1.weight", "body.conv1.bn.weight |w| + eps"},
      {"body.conv1.1.running_var", "body.conv1.bn.running_var"},
      {"body.layer1.0.conv1.0.weight", "body.layer1.0.conv1.conv.weight"},
      {"body.layer1.0.conv2.1.bias", "body.layer1.0.conv2.bn.bias"},
      {"body.layer2.0.conv1.0.0.weight", "body.layer2.0.conv1.conv.weight"},  // before a blur
      {"body.layer2.0.conv1.0.1.weight", "body.layer2.0.conv1.bn.weight |w| + eps"},
      {"body.layer3.0.conv2.0.1.num_batches_tracked",
       "body.layer3.0.conv2.bn.num_batches_tracked"},
      {"body.layer2.0.downsample.1.0.weight", "body.layer2.0.downsample.1.conv.weight"},
      {"body.layer1.0.downsample.0.1.weight", "body.layer1.0.downsample.0.bn.weight |w| + eps"},
      {"body.layer1.2.se.fc1.weight", "body.layer1.2.se.fc1.weight"},
      {"head.fc.weight", "head.fc.weight"},
      {"head.decoder.embed_standart.bias", "head.embed_standart.bias"},
      {"head.decoder.duplicate_pooling_bias", "head.duplicate_pooling_bias"},
      {"head.decoder.layers.0.linear1.weight", "head.decoder.layers.0.linear1.weight"}};
  for (const auto& [ours, expected] : names) {
    CHECK_EQ(theirs(timm, ours), expected);
  }
}

TEST_CASE("naming: no scheme gives two tensors one name, and ZS_SDL's list is met") {
  for (const char* list : {"tresnet_m_mld80", "tresnet_l_mld80"}) {
    const std::vector<std::string> ours = published(list);
    for (const NamingScheme* scheme : schemes_of("tresnet_l")) {
      std::set<std::string> names;
      for (const ForeignName& foreign : foreign_names(*scheme, ours)) {
        CHECK_MESSAGE(names.insert(foreign.name).second, scheme->name, " ", foreign.name);
      }
    }
  }
  std::vector<std::string> sdl;
  for (const ForeignName& foreign :
       foreign_names(scheme("sdl", "tresnet_m"), published("tresnet_m_gap80"))) {
    sdl.push_back(foreign.name);
  }
  std::vector<std::string> expected = published("sdl_tresnet_m_rows7");
  CHECK_EQ(expected.back(), "embedding.weight");  // its own head, for "head.fc"
  expected.pop_back();
  sdl.resize(sdl.size() - 2);
  CHECK_EQ(sdl, expected);
}

TEST_CASE("naming: EfficientNet-PyTorch counts its blocks through") {
  const NamingScheme& flat = scheme("efficientnet_pytorch", "efficientnet_lite0");
  const std::pair<const char*, const char*> names[] = {
      {"conv_stem.weight", "_conv_stem.weight"},
      {"bn1.bias", "_bn0.bias"},
      {"blocks.0.0.conv_dw.weight", "_blocks.0._depthwise_conv.weight"},
      {"blocks.0.0.bn1.weight", "_blocks.0._bn1.weight"},
      {"blocks.0.0.conv_pw.weight", "_blocks.0._project_conv.weight"},
      {"blocks.0.0.bn2.weight", "_blocks.0._bn2.weight"},
      {"blocks.1.0.conv_pw.weight", "_blocks.1._expand_conv.weight"},
      {"blocks.1.0.bn1.running_mean", "_blocks.1._bn0.running_mean"},
      {"blocks.1.0.conv_dw.weight", "_blocks.1._depthwise_conv.weight"},
      {"blocks.1.0.bn2.weight", "_blocks.1._bn1.weight"},
      {"blocks.1.0.conv_pwl.weight", "_blocks.1._project_conv.weight"},
      {"blocks.1.0.bn3.weight", "_blocks.1._bn2.weight"},
      {"blocks.1.1.conv_pw.weight", "_blocks.2._expand_conv.weight"},
      {"blocks.2.0.conv_pw.weight", "_blocks.3._expand_conv.weight"},
      {"conv_head.weight", "_conv_head.weight"},
      {"bn2.weight", "_bn1.weight"},
      {"classifier.weight", "_fc.weight"}};
  std::vector<std::string> ours;
  for (const auto& [name, expected] : names) {
    ours.emplace_back(name);
  }
  const std::vector<ForeignName> found = foreign_names(flat, ours);
  for (size_t i = 0; i < found.size(); ++i) {
    CHECK_EQ(found[i].name, names[i].second);
  }
}

TEST_CASE("naming: which names a model has") {
  CHECK_EQ(theirs(scheme("timm", "resnet50", "ml_decoder"), "fc.decoder.query_embed.weight"),
           "fc.query_embed.weight");
  CHECK_EQ(theirs(scheme("timm", "efficientnet_lite0", "ml_decoder"),
                  "classifier.decoder.duplicate_pooling"), "classifier.duplicate_pooling");
  CHECK_ERROR(UsageError,
              "naming: torchvision has no resnet50 with the head ml_decoder; there are names of "
              "mldecoder, official, timm",
              scheme("torchvision", "resnet50", "ml_decoder"));
  CHECK_ERROR(UsageError,
              "naming: torchvision has no tresnet_m with the head gap; there are names of "
              "mldecoder, official, timm, sdl",
              scheme("torchvision", "tresnet_m"));
}

Tensor channels(const std::vector<float>& values) {
  return Tensor::from({static_cast<int64_t>(values.size())}, values);
}

// A convolution and an activated norm: y = z (|w| + eps) + b, z = (conv(x) - mean) / deviation.
// In float64, for one pixel of one channel in, C channels out; `eps` 0: an ordinary norm.
std::vector<double> unit(const StateDict& state, double x, double eps) {
  const auto value = [&](size_t i, int64_t c) { return double{state[i].second.data<float>()[c]}; };
  std::vector<double> y;
  for (int64_t c = 0; c < state[0].second.numel(); ++c) {
    const double z = (value(0, c) * x - value(3, c)) / std::sqrt(value(4, c) + 1e-5);
    const double scale = eps > 0 ? std::fabs(value(1, c)) + eps : value(1, c);
    y.push_back(z * scale + value(2, c));
  }
  return y;
}

TEST_CASE("naming: scales of activated norms become ordinary ones and back, whatever their sign") {
  const StateDict ours{{"body.conv1.0.weight", channels({2, -1, 3, 0.5f})},
                       {"body.conv1.1.weight", channels({0.5f, -2, 0, 1})},
                       {"body.conv1.1.bias", channels({0.1f, 0.2f, 0.3f, 0.4f})},
                       {"body.conv1.1.running_mean", channels({0.3f, -0.7f, 1, 0})},
                       {"body.conv1.1.running_var", channels({1.0f, 2, 0.5f, 1})}};
  const NamingScheme& timm = scheme("timm", "tresnet_m");
  StateDict plain = export_state(ours, timm);
  CHECK_EQ(plain[1].first, "body.conv1.bn.weight");
  const auto near = [](const std::vector<double>& a, const std::vector<double>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-6));
    }
  };
  near(unit(plain, 0.9, 0), unit(ours, 0.9, 1e-5));

  // A norm that was trained as an ordinary one: negative, and nearer to 0 than eps.
  plain[1].second = channels({-0.5f, 2, -1e-6f, -3});
  std::vector<StateView> views = views_of(plain);
  std::vector<Transform> transforms;
  for (size_t i = 0; i < ours.size(); ++i) {
    views[i].name = ours[i].first;
    transforms.push_back(i == 1 ? Transform::abn_scale : Transform::none);
  }
  std::vector<Tensor> kept;
  undo_transforms(views, transforms, kept);
  StateDict back;
  for (const StateView& view : views) {
    Tensor copy(view.shape);
    std::copy_n(static_cast<const float*>(view.data), copy.numel(), copy.data<float>());
    back.emplace_back(view.name, copy);
  }
  const std::vector<double> expected = unit(plain, 0.9, 0), got = unit(back, 0.9, 1e-5);
  for (size_t c : {0, 1, 3}) {
    CHECK(got[c] == doctest::Approx(expected[c]).epsilon(1e-6));
  }
  CHECK(std::fabs(got[2] - expected[2]) < 1e-4);  // eps itself, times the normalised value
}

TEST_CASE("config.json says timm's name of the network, and nothing where timm has another") {
  for (const auto& [ours, theirs] : {std::pair{"resnet50", "resnet50"},
                                     {"tresnet_m", "tresnet_m"},
                                     {"tresnet_l", "tresnet_v2_l"},
                                     {"tresnet_l_v1", "tresnet_l"},
                                     {"tresnet_xl_v1", "tresnet_xl"},
                                     {"tresnet_xl", ""},
                                     {"efficientnet_lite4", "tf_efficientnet_lite4"}}) {
    CAPTURE(ours);
    CheckpointInfo info;
    info.model = {.backbone = ours, .classes = 2};
    rapidjson::Document json;
    json.Parse(hf_config_json(info, 8).c_str());
    REQUIRE_FALSE(json.HasParseError());
    const bool named = json.HasMember("architecture");
    CHECK_EQ(std::string(named ? json["architecture"].GetString() : ""), theirs);
    CHECK_EQ(std::string(json["mldecoder"]["backbone"].GetString()), ours);
  }
}

}  // namespace
}  // namespace mld
