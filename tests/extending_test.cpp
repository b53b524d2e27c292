// The examples of docs/extending.md, compiled and run; and that the files it names are there.
#include <fstream>
#include <regex>
#include <sstream>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "data/formats/format.h"
#include "models/registry.h"
#include "models/residual.h"
#include "nn/layers.h"
#include "tests/paths.h"
#include "train/loss.h"

namespace mld {
namespace {

// Patches of 32 x 32 pixels, each turned into C channels by one convolution.
struct Patches : Backbone {
  Conv2d conv1;
  BatchNorm2d bn1;

  explicit Patches(int64_t C) : conv1(3, C, 32, {.stride = 32}), bn1(C) {}

  Var operator()(const Var& images, const Tap& tap = {}) override {
    const Var x = conv_bn(conv1, bn1, images, {.kind = Act::relu});  // [N, H/32, W/32, C]
    if (tap) {
      tap("stem", x);
    }
    return x;
  }
  int64_t features() const override { return conv1.weight.shape[0]; }
  void each(Visitor& v) override {
    v("conv1", conv1);
    v("bn1", bn1);
  }
};

constexpr BackboneRow kPatches{
    "patches64", "", []() -> std::unique_ptr<Backbone> { return std::make_unique<Patches>(64); },
    "fc", "conv1", Normalize::none};

// Logits from the mean and from the variance of every channel, added.
struct MomentsHead : Head {
  Linear mean, variance;

  MomentsHead(int64_t C, int64_t K) : mean(C, K), variance(C, K, false) {}

  Var operator()(const Var& x, const Tap& = {}) override {
    const Var tokens = as_tokens(x);  // [N, L, C]
    return add(mean(mean_tokens(tokens)), variance(variance_tokens(tokens)));
  }
  void each(Visitor& v) override {
    v("mean", mean);
    v("variance", variance);
  }
};

constexpr HeadRow kMoments{"moments",
                           [](const ModelSpec& spec, int64_t features,
                              const LinearStyle&) -> std::unique_ptr<Head> {
                             return std::make_unique<MomentsHead>(features, spec.classes);
                           },
                           0};

constexpr LossRow kSoftBce{"soft_bce", "binary cross-entropy of halved logits",
                           [](const LossSpec&, const Var& logits, const LossTargets& t) {
                             return binary_cross_entropy(scale(logits, 0.5f), t.values,
                                                         t.weights);
                           },
                           false, false, true};

// One grey picture a class, for whoever asks for it by name.
class Greys : public Dataset {
 public:
  Greys() : Dataset(LabelSpace{.names = {"dark", "light"}}) {}
  int64_t size() const override { return 2; }
  std::span<const LabelEntry> labels(int64_t i) const override {
    return {&entries_[static_cast<size_t>(i)], 1};
  }
  Image load(int64_t i) const override { return Image(8, 8, i == 0 ? 32 : 224); }
  std::string source(int64_t i) const override { return "greys:" + std::to_string(i); }

 private:
  std::array<LabelEntry, 2> entries_{{{.column = 0}, {.column = 1}}};
};

const DataFormat greys_format{
    "greys", "nothing: it has no files", "all of them are the same", nullptr,
    [](const DataOptions&, const std::string&, Purpose) -> std::unique_ptr<Dataset> {
      return std::make_unique<Greys>();
    }};

std::string read(const std::string& path) {
  std::ifstream in(test::source_dir() + "/" + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("extending: every file that the page names is there, every example stands here") {
  const std::string page = read("docs/extending.md"), examples = read("tests/extending_test.cpp");
  REQUIRE(page.size() > 1000);
  static const std::regex path("`([a-z_0-9]+/[A-Za-z_0-9./]+)`");
  int paths = 0, fences = 0;
  for (std::sregex_iterator at(page.begin(), page.end(), path), end; at != end; ++at, ++paths) {
    CAPTURE((*at)[1].str());
    CHECK_FALSE(read((*at)[1].str()).empty());
  }
  const std::string open = "```cpp\n";
  for (size_t at = page.find(open); at != std::string::npos; at = page.find(open, at), ++fences) {
    at += open.size();
    const std::string fence = page.substr(at, page.find("```", at) - at);
    CAPTURE(fence);
    CHECK(examples.find(fence) != std::string::npos);
  }
  CHECK(paths > 20);
  CHECK(fences >= 4);
}

TEST_CASE("extending: the example's backbone, head and loss train") {
  const ModelSpec spec{.classes = 3};
  auto backbone = kPatches.make();
  auto head = kMoments.make(spec, backbone->features(), {});
  Classifier model(std::move(backbone), std::move(head), kPatches.head_name);
  initialize(model, 1);
  set_training(model, true);
  Tape tape;
  const Var logits = model(tape.constant(Tensor::full({2, 64, 64, 3}, 0.5f)));
  REQUIRE(logits.shape() == Shape{2, 3});
  tape.backward(kSoftBce.of({}, logits, {Tensor::zeros({2, 3})}));
  for (const auto& [name, p] : parameters(model)) {
    CAPTURE(name);
    CHECK(p->grad.defined());
  }
  CHECK(parameters(model).back().first == "fc.variance.weight");

  set_drop_path(*model.backbone, 0);
  CHECK_THROWS_WITH_AS(set_drop_path(*model.backbone, 0.1),
                       "model.drop_path: the backbone has no branches to drop; use 0", UsageError);
}

TEST_CASE("extending: the example's format opens") {
  const auto data = greys_format.open({}, "train", Purpose::training);
  CHECK(data->size() == 2);
  CHECK(data->labels(1)[0].column == 1);
  CHECK(data->load(1).rgb[0] == 224);
}

}  // namespace mld
