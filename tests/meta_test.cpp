// The meta backend: shapes, costs and memory of what a model does, against the published counts and
// against real runs.
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include "autograd/ops.h"
#include "core/memory.h"
#include "core/meta/meter.h"
#include "models/registry.h"
#include "models/summary.h"
#include "reference.h"

namespace mld {
namespace {

Tensor on_meta(const Shape& shape, DType dtype = DType::f32) {
  return Tensor(shape, dtype, kMeta);
}

}  // namespace

TEST_CASE("meta: memory is counted by the pool, and none is taken") {
  const MemoryStats host = memory_pool(Device{}).stats();
  const meta::Meter meter;
  {
    const Tensor x = on_meta({1 << 20, 1 << 20}), y = x.rows(5, 10);
    const Tensor z = Tensor::zeros({3}, DType::u8, kMeta);
    CHECK_EQ(x.device().str(), "meta");
    CHECK_NE(x.raw(), z.raw());
    CHECK_EQ(meter.peak(), (size_t{4} << 40) + 64);
    CHECK_EQ(x.clone().shape(), x.shape());
  }
  CHECK_EQ(meter.peak(), (size_t{8} << 40) + 64);
  CHECK_EQ(meter.held(), (size_t{8} << 40) + 64);  // kept for reuse
  CHECK_EQ(memory_pool(kMeta).stats().in_use, 0);
  CHECK_EQ(memory_pool(Device{}).stats().in_use, host.in_use);
  CHECK_EQ(memory_pool(Device{}).stats().peak, host.peak);
}

TEST_CASE("meta: there are no values to read") {
  const Tensor x = on_meta({2, 3});
  CHECK_ERROR(Error, "meta: a tensor of shape [2, 3] has no values to copy to cpu", x.to_vector());
  CHECK_EQ(Tensor::zeros({2}).to(kMeta).shape(), Shape{2});
}

TEST_CASE("meta: what kernels cost") {
  const auto macs = [](const auto& run) {
    const meta::Meter meter;
    run();
    return meter.macs();
  };
  const Tensor x = on_meta({2, 5, 7, 4}), w = on_meta({6, 3, 3, 2});
  CHECK_EQ(macs([&] { conv2d(Var(x), Var(w), {.stride = 2, .pad = 1, .groups = 2}); }),
           2 * 3 * 4 * 6 * 9 * 2);
  CHECK_EQ(macs([&] { linear(Var(on_meta({2, 9, 16})), Var(on_meta({5, 16}))); }), 2 * 9 * 5 * 16);
  CHECK_EQ(macs([&] { matmul(Var(on_meta({3, 4, 5})), Var(on_meta({3, 5, 6}))); }), 3 * 4 * 5 * 6);
  CHECK_EQ(macs([&] {
             const Tensor k = on_meta({2, 9, 16});
             attention(Var(on_meta({1, 3, 16})), Var(k), Var(k), {.heads = 4});
           }),
           2 * 2 * 3 * 9 * 16);
  CHECK_EQ(macs([&] {
             group_linear(Var(on_meta({2, 3, 16})), Var(on_meta({3, 16, 4})), Var(on_meta({10})));
           }),
           2 * 3 * 16 * 4);
  CHECK_EQ(macs([&] { relu(max_pool(Var(x), {})); }), 0);

  // Backward: a product costs twice its forward, an attention five products for two.
  CHECK_EQ(macs([&] {
             Tape tape;
             const Var a = tape.variable(on_meta({3, 4, 5})), b = tape.variable(on_meta({3, 5, 6}));
             tape.backward(sum(matmul(a, b)));
           }),
           3 * 3 * 4 * 5 * 6);
  CHECK_EQ(macs([&] {
             Tape tape;
             const Var k = tape.variable(on_meta({2, 9, 16}));
             tape.backward(sum(attention(k, k, k, {.heads = 4})));
           }),
           7 * 2 * 9 * 9 * 16);

  std::vector<std::string> kernels;
  meta::Meter meter;
  meter.observe([&](const meta::Call& call) {
    kernels.push_back(call.kernel);
    CHECK_EQ(call.inputs.size(), 2);
    CHECK_EQ(call.outputs.at(0)->shape(), Shape{4});
  });
  add(Var(on_meta({4})), Var(on_meta({4})));
  CHECK_EQ(kernels, std::vector<std::string>{"add"});
  CHECK_EQ(meter.bytes(), 3 * 16);
}

// ---- whole models -------------------------------------------------------------------------------

namespace {

// Multiply-accumulates by the published table's kinds.
struct Kinds {
  int64_t conv = 0, linear = 0, attention = 0, group_fc = 0;

  // `head`: the prefix of the head's layers.
  Kinds(const ModelSummary& summary, const std::string& head) {
    for (const meta::Line& layer : summary.layers) {
      const bool in_attention = layer.name == "attention" ||
                                layer.name.find("multihead_attn") != std::string::npos;
      if (in_attention) {
        attention += layer.macs;
      } else if (layer.name == head + ".decoder") {
        group_fc += layer.macs;
      } else if (layer.name.starts_with(head)) {
        linear += layer.macs;
      } else {
        conv += layer.macs;
      }
    }
  }
};

rapidjson::Document read_counts() {
  std::ifstream file(reference::fixture("model_counts.json"));
  std::stringstream text;
  text << file.rdbuf();
  rapidjson::Document document;
  document.Parse(text.str().c_str());
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

}  // namespace

// "resnet50 + mld 1000/100", "tresnet_l (ML_Decoder) + gap 80", "tresnet_l v1 (TResNet) + gap 1000"
std::optional<ModelSpec> spec_of_row(const std::string& name) {
  static const std::regex form(
      "(t?resnet\\w*)( v[12])?(?: \\((\\w+)\\))? \\+ (gap|mld) (\\d+)(?:/(\\d+))?");
  std::smatch match;
  if (!std::regex_match(name, match, form)) {
    return std::nullopt;
  }
  ModelSpec spec{.backbone = match[1]};
  if (const std::string version = match[2]; version.size() > 0 && spec.backbone != "tresnet_m") {
    spec.backbone += "_" + version.substr(1);  // the repositories share TResNet-M
  }
  spec.head = match[4] == "mld" ? "ml_decoder" : "gap";
  spec.classes = std::stoll(match[5]);
  spec.groups = match[6].matched ? std::stoll(match[6]) : -1;
  return spec;
}

TEST_CASE("counts: parameters and multiply-accumulates of every published row") {
  const rapidjson::Document counts = read_counts();
  int rows = 0;
  for (const auto& row : counts.GetObject()) {
    const std::string name = row.name.GetString();
    const std::optional<ModelSpec> spec = spec_of_row(name);
    if (!spec) {
      continue;
    }
    CAPTURE(name);
    for (const int size : {224, 448, 640}) {
      const std::string key = "gmacs_" + std::to_string(size);
      if (!row.value.HasMember(key.c_str())) {
        continue;
      }
      const ModelSummary summary = model_summary(*spec, size, size);
      CHECK_EQ(summary.total.parameters, row.value["parameters"].GetInt64());
      if (row.value.HasMember("trainable")) {
        CHECK_EQ(summary.trainable, row.value["trainable"].GetInt64());
      }
      const auto& macs = row.value[key.c_str()];
      const auto agrees = [&](const char* kind, int64_t ours) {  // four decimals of 1e9
        CAPTURE(kind);
        CHECK_LE(std::abs(static_cast<double>(ours) * 1e-9 - macs[kind].GetDouble()), 0.5001e-4);
      };
      const Kinds kinds(summary, std::string(backbone_row(*spec).head_name));
      agrees("conv", kinds.conv);
      agrees("linear", kinds.linear);
      agrees("attention", kinds.attention);
      agrees("groupfc", kinds.group_fc);
      agrees("total", summary.total.macs);
    }
    ++rows;
  }
  CHECK_EQ(rows, 52);
}

TEST_CASE("counts: ResNet-18 and ResNet-152 have torchvision's number of parameters") {
  const auto count = [](const char* name) {
    return model_summary({.backbone = name, .head = "gap", .classes = 1000}, 224, 224)
        .total.parameters;
  };
  CHECK_EQ(count("resnet18"), 11689512);
  CHECK_EQ(count("resnet152"), 60192808);
}

// The numbers of timm's tf_efficientnet_lite*, which has no table of them to the last digit: from
// the published stages and scaling rules, by a program of its own. They agree with github.com/
// d-li14/efficientnet-lite.pytorch (4.652 M and 0.385 G to 13.007 M and 2.553 G), Lite0's
// parameters with the reference tensors.
TEST_CASE("counts: EfficientNet-Lite at the size of its published weights") {
  struct Row {
    const char* name;
    int size;
    int64_t parameters, macs;
  };
  for (const Row& row : {Row{"efficientnet_lite0", 224, 4652008, 385187552},
                         {"efficientnet_lite1", 240, 5416680, 600185232},
                         {"efficientnet_lite2", 260, 6092072, 859736272},
                         {"efficientnet_lite3", 280, 8197096, 1383321872},
                         {"efficientnet_lite4", 300, 13006568, 2553034336}}) {
    CAPTURE(row.name);
    const ModelSummary summary = model_summary(
        {.backbone = row.name, .head = "gap", .classes = 1000}, row.size, row.size);
    CHECK_EQ(summary.total.parameters, row.parameters);
    CHECK_EQ(summary.total.macs, row.macs);
  }
}

TEST_CASE("summary: a row per layer and per stage, and hardly a byte of real memory") {
  MemoryPool& host = memory_pool(Device{});
  host.reset_peak();
  const size_t before = host.stats().peak;
  const ModelSummary summary =
      model_summary({.backbone = "resnet50", .head = "ml_decoder", .classes = 80}, 225, 161);
  CHECK_LE(host.stats().peak, before + 4096);  // the norms' counters
  REQUIRE_EQ(summary.stages.size(), 6);
  CHECK_EQ(summary.stages[0].out, Shape{1, 57, 41, 64});
  CHECK_EQ(summary.stages[4].out, Shape{1, 8, 6, 2048});
  CHECK_EQ(summary.stages[5].out, Shape{1, 80});
  CHECK_EQ(summary.total.parameters - summary.trainable, 80 * 768);  // the frozen queries

  const std::vector<meta::Line>& layers = summary.layers;
  CHECK_EQ(layers[0].name, "conv1");
  CHECK_EQ(layers[0].out, Shape{1, 113, 81, 64});
  CHECK_EQ(layers[0].parameters, 64 * 3 * 49);
  CHECK_EQ(layers[0].macs, 113 * 81 * 64 * 3 * 49);
  CHECK_EQ(layers[0].activations, 113 * 81 * 64 * 4);
  CHECK_EQ(layers[1].name, "bn1");
  CHECK_EQ(layers[2].name, "max_pool");
  CHECK_EQ(layers[2].parameters, 0);
  CHECK_EQ(layers[2].activations, 57 * 41 * 64 * 5);  // and one byte each for the argmax
  CHECK_EQ(layers[3].name, "layer1.0.downsample.0");
  CHECK_EQ(layers.back().name, "fc.decoder");
  meta::Line sum;
  for (const meta::Line& layer : layers) {
    sum.parameters += layer.parameters;
    sum.macs += layer.macs;
  }
  CHECK_EQ(sum.parameters, summary.total.parameters);
  CHECK_EQ(sum.macs, summary.total.macs);
}

TEST_CASE("meta: inference of a ViT takes memory for its tokens, not for their square") {
  const auto model = make_model({.backbone = "clip_vit_tiny", .head = "gap", .classes = 2});
  set_training(*model, false);
  to(*model, kMeta);
  const auto peak = [&](int64_t side) {
    const meta::Meter meter;
    (*model)(Var(Tensor({1, side, side, 3}, DType::f32, kMeta)));
    return meter.peak();
  };
  constexpr size_t kTokens = 1 + 64 * 64, kHeads = 3;
  const size_t small = peak(128), large = peak(512);  // 16 times the patches
  CHECK(small > 0);
  CHECK(large < 17 * small);
  CHECK(large < kHeads * kTokens * kTokens * sizeof(float) / 3);
}

}  // namespace mld
