// Files that an earlier version wrote (commit 044d99f, format version 1) are read, give the same
// logits, and train on. Their model is a ResNet-18 of width 2, so that they are small.
#include <algorithm>

#include <doctest/doctest.h>

#include "app/config_file.h"
#include "core/kernels.h"
#include "data/safetensors.h"
#include "models/ml_decoder.h"
#include "models/resnet.h"
#include "tests/reference.h"
#include "train/checkpoint.h"
#include "train/checkpoint_json.h"
#include "train/training_state.h"
#include "train/training_step.h"

namespace mld {
namespace {

std::filesystem::path version1(const char* name) { return reference::fixture("version1") / name; }

struct Narrow : Classifier {
  Narrow()
      : Classifier(std::make_unique<ResNet>(ResNetSpec{.width = 2}),
                   std::make_unique<MlDecoder>(ModelSpec{.classes = 3, .groups = 2, .embed_dim = 8,
                                                         .ffn = 8, .query = QueryKind::learnable},
                                               16)) {}
};

Tensor expected(const char* name) {
  return SafeTensorsFile(version1("expected.safetensors")).at(name).to_tensor();
}

// The logits of the stored pictures, in evaluation mode.
std::vector<float> logits(Classifier& model) {
  const Tensor pixels = expected("pixels");
  Tensor images(pixels.shape());
  KERNEL(Device{}, normalize_images)(pixels, image_norm(Normalize::imagenet), images);
  set_training(model, false);
  return model(Var(images)).value.to_vector();
}

void check_near(const std::vector<float>& got, const char* name) {
  const std::vector<float> want = expected(name).to_vector();
  REQUIRE_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK_EQ(got[i], doctest::Approx(want[i]).epsilon(1e-4));
  }
}

TEST_CASE("version 1: a weight file's description and logits") {
  CheckpointFile file(version1("checkpoint.safetensors"));
  const CheckpointInfo info = checkpoint_info(file.metadata(), file.path());
  CHECK(info.model == ModelSpec{.backbone = "resnet18", .head = "ml_decoder", .classes = 3,
                                .groups = 2, .embed_dim = 8, .ffn = 8,
                                .query = QueryKind::learnable, .dropout = 0.1});
  CHECK(info.preprocess == Preprocess{.image_size = 32, .resize = ResizeMode::crop,
                                      .interpolation = Interpolation::bicubic,
                                      .normalize = Normalize::imagenet});
  CHECK(info.task == Task::multi_label);
  CHECK(info.class_names == std::vector<std::string>{"cat", "d\xC3\xB6g", "a \"b\""});
  CHECK_EQ(info.weights, "ema");
  CHECK(info.metrics == std::map<std::string, double>{{"mAP", 61.25}, {"step", 3}});
  CHECK_EQ(parse_config(info.config, "checkpoint").config.optim.lr, 0.01);

  Narrow model;
  load_state(model, file.tensors());
  check_near(logits(model), "logits");
}

TEST_CASE("version 1: a training state goes on") {
  const std::string name = version1("state.safetensors").string();
  const Checkpoint saved = load_checkpoint(name);
  const TrainingState state = from_metadata(saved.metadata, name);
  CHECK_EQ(state.step, 3);
  CHECK_EQ(state.best.weights, "ema");
  CHECK_EQ(state.raw_metric, 1.0 / 3);
  const Config config = parse_config(state.config, name).config;
  CHECK(agree_for_resume(config, parse_config(to_toml(config), "again").config).empty());

  Narrow model;
  load_state(model, part(saved.tensors, "model"));
  set_training(model, true);
  const auto optimizer = make_optimizer(config.optim, model);
  optimizer->load_state(part(saved.tensors, "optimizer"));
  Ema average(model, config.train.model_ema_decay);
  average.load_state(part(saved.tensors, "ema"));
  const auto objective = make_objective(config, model);
  TrainingStep step(update_spec(config), Device{},
                    {.model = model, .objective = *objective, .optimizer = *optimizer,
                     .average = &average});
  const Schedule schedule{.spec = config.schedule, .lr = config.optim.lr,
                          .beta1 = config.optim.beta1(), .epochs = config.train.epochs,
                          .steps_per_epoch = 2};
  const Rates rates = schedule.at(state.step);
  check_near({static_cast<float>(rates.lr), static_cast<float>(rates.beta1)}, "rates");
  step.queue({.images = expected("pixels"), .targets = expected("targets")}, rates, state.step);
  const TrainingStep::Result result = step.result();
  check_near({static_cast<float>(result.loss), result.gradient_norm}, "loss_and_norm");
  check_near(logits(model), "logits_after");
}

TEST_CASE("a key that a file's version does not have means what that version did") {
  std::vector<Key> keys = part_keys(Part::preprocessing);
  Key& resize = *std::find_if(keys.begin(), keys.end(),
                              [](const Key& key) { return key.name == "resize"; });
  resize.earlier = {{.before = 2, .value = "crop"}, {.before = 3, .value = "pad"}};
  const auto resize_of = [&](const std::string& json, int version) {
    Config config;
    const std::string file = "FILE";
    read_keys(keys, {json, file, "preprocessing", version}, config);
    CHECK_EQ(config.preprocess.image_size, 64);
    return config.preprocess.resize;
  };
  CHECK(resize_of(R"({"image_size":64})", 1) == ResizeMode::crop);
  CHECK(resize_of(R"({"image_size":64})", 2) == ResizeMode::pad);
  CHECK(resize_of(R"({"image_size":64})", 3) == ResizeMode::squash);
  CHECK(resize_of(R"({"image_size":64,"resize":"squash"})", 1) == ResizeMode::squash);
}

}  // namespace
}  // namespace mld
