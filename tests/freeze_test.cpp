// Freezing parts of a model: their weights and statistics stay, bit for bit; the rest trains.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "models/registry.h"
#include "tests/data_files.h"
#include "train/config.h"
#include "train/memory.h"
#include "train/run_data.h"
#include "train/training_step.h"

namespace mld::test {
namespace {

const ModelSpec kSpec{.backbone = "resnet18", .head = "gap", .classes = 3};

// The names of the tensors that an update changed, in the model and in its average.
struct Changes {
  std::set<std::string> model{}, average{};
  size_t trained = 0;  // parameters with moments
};

Changes changes_of(const std::string& parts) {
  Config config;
  config.model = kSpec;
  config.train.freeze = parts;
  const auto model = make_trained_model(config, kSpec);
  initialize(*model, 3);
  Ema average(*model, 0.5);
  const StateDict before = state_dict(*model);
  set_training(*model, true);
  const auto optimizer = make_optimizer({.lr = 0.1}, *model);
  const auto objective = make_objective(config, *model);
  TrainingStep step(update_spec(config), Device{},
                    {.model = *model, .objective = *objective, .optimizer = *optimizer,
                     .average = &average});
  Batch batch{.images = Tensor({2, 64, 64, 3}, DType::u8), .targets = Tensor::zeros({2, 3})};
  for (int64_t i = 0; i < batch.images.numel(); ++i) {
    batch.images.data<uint8_t>()[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  }
  step.queue(batch, {.lr = 0.1, .beta1 = 0.9}, 0);
  step.result();
  Changes changes{.trained = optimizer->trained_parameters().size()};
  const StateDict after = state_dict(*model), averages = average.state();
  for (size_t i = 0; i < before.size(); ++i) {
    const auto& [name, tensor] = before[i];
    if (after[i].second.to_vector() != tensor.to_vector()) {
      changes.model.insert(name);
    }
    if (averages[i].second.to_vector() != tensor.to_vector()) {
      changes.average.insert(name);
    }
  }
  return changes;
}

}  // namespace

TEST_CASE("freeze: without it everything changes") {
  const auto model = make_model(kSpec);
  CHECK(changes_of("").model.size() == state_tensors(*model).size());
}

TEST_CASE("freeze: backbone: only the head changes, in the average too") {
  const Changes changes = changes_of("backbone");
  CHECK(changes.model == std::set<std::string>{"fc.weight", "fc.bias"});
  CHECK(changes.average == changes.model);
  CHECK(changes.trained == 2);
}

TEST_CASE("freeze: parts by name, with their statistics; parts of like names are others") {
  const Changes changes = changes_of("conv1, bn1,layer1,layer4.0.bn1.weight");
  for (const auto& [name, tensor] : state_tensors(*make_model(kSpec))) {
    CAPTURE(name);
    const bool frozen = name.starts_with("conv1.") || name.starts_with("bn1.") ||
                        name.starts_with("layer1.") || name == "layer4.0.bn1.weight";
    CHECK(changes.model.contains(name) == !frozen);
  }
}

TEST_CASE("freeze: names that are not there, nothing left") {
  const auto model = make_model(kSpec);
  CHECK(message_of<UsageError>([&] { freeze_parts(*model, "conv1,layer"); }) ==
        "train.freeze: nothing in the model is called \"layer\"; it has backbone, bn1, conv1, fc, "
        "layer1, layer2, layer3, layer4, and what they contain, as in layer1.0");
  CHECK(message_of<UsageError>([&] { freeze_parts(*model, "backbone,fc"); }) ==
        "train.freeze: \"backbone,fc\" leaves nothing to train");
}

TEST_CASE("freeze: a frozen backbone keeps no activations, and the prediction of memory knows") {
  const auto per_picture = [](const std::string& parts) {
    Config config;
    config.model = kSpec;
    config.preprocess.image_size = 64;
    config.train.freeze = parts;
    const auto needs = [&](int64_t images) {
      config.train.batch_size = images;
      return static_cast<double>(training_needs(config, 3, Device{}, 0).tensors);
    };
    return (needs(48) - needs(16)) / 32;
  };
  CHECK(per_picture("backbone") < 0.6 * per_picture(""));  // the rest is for scoring
}

}  // namespace mld::test
