// Starting from PyTorch's files: names, classes, policies; other programs' weights as checkpoints.
#include <doctest/doctest.h>

#include "tests/data_files.h"
#include "tests/pth_files.h"
#include "tests/reference.h"
#include "train/start_weights.h"

namespace mld {
namespace {

namespace fs = std::filesystem;
using namespace test;

// A .pth of {"model": state, "idx_to_class": {0: names[0], ...}}, all tensors in one storage.
void write_pth(const fs::path& path, const StateDict& state,
               const std::vector<std::string>& names = {}) {
  std::string data;
  std::vector<std::pair<std::string, std::string>> entries;
  for (const auto& [name, tensor] : state) {
    if (tensor.dtype() != DType::f32) {
      continue;  // counters: old files lack them
    }
    PthTensor t{.offset = static_cast<int64_t>(data.size() / sizeof(float)), .shape = {},
                .strides = {}};
    t.elements = t.offset + tensor.numel();
    int64_t stride = tensor.numel();
    for (const int64_t n : tensor.shape().dims()) {
      stride /= n;
      t.shape.push_back(n);
      t.strides.push_back(stride);
    }
    data.append(static_cast<const char*>(tensor.raw()), tensor.bytes());
    entries.emplace_back(name, tensor_op(t));
  }
  std::string classes = "}(";
  for (size_t i = 0; i < names.size(); ++i) {
    classes += int_op(static_cast<int64_t>(i)) + text_op(names[i]);
  }
  const std::string file = dict_op({{"model", dict_op(entries)}, {"idx_to_class", classes + "u"}});
  write_file(path, zip_pth(pickle_of(file), {{"0", data}}));
}

std::unique_ptr<Classifier> model_with(int64_t classes, uint64_t seed) {
  auto model = make_model({.backbone = "resnet18", .head = "gap", .classes = classes});
  initialize(*model, seed);
  return model;
}

TEST_CASE("a .pth starts a model; its class names must be the data's") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "m.pth";
  const auto source = model_with(2, 1), target = model_with(2, 2);
  StateDict state = state_dict(*source);
  for (auto& [name, tensor] : state) {
    name.insert(0, "module.");
  }
  write_pth(path, state, {"cat", "dog"});
  const auto start = [&](InitPolicy policy, const std::vector<std::string>& names) {
    return message_of<DataError>([&] { init_from_checkpoint(*target, {path, policy}, names); },
                                 folder.path());
  };
  CHECK_EQ(init_from_checkpoint(*target, {path, InitPolicy::strict}, {"cat", "dog"}).text(),
           "102 tensors loaded from model (names of mldecoder, after a prefix)");
  const Var x(Tensor::full({1, 33, 33, 3}, 0.5f));
  CHECK_EQ((*target)(x).value.to_vector(), (*source)(x).value.to_vector());
  CHECK_EQ(start(InitPolicy::strict, {"dog", "cat"}),
           "ROOT/m.pth: class 0 is 'cat' in the checkpoint and 'dog' in the data; "
           "model.init_policy = \"backbone\" leaves the head out");
  CHECK_EQ(start(InitPolicy::strict, {"a", "b", "c"}),
           "ROOT/m.pth: the checkpoint has 2 classes, the data 3; model.init_policy = "
           "\"backbone\" leaves the head out");
  CHECK_EQ(start(InitPolicy::backbone, {"a", "b", "c"}), "no error");
  write_pth(path, state);  // without names
  CHECK_EQ(start(InitPolicy::strict, {"dog", "cat"}), "no error");
  write_file(path, read_file(path).substr(0, 4000));
  CHECK(start(InitPolicy::strict, {}).starts_with("ROOT/m.pth: a damaged or truncated zip"));
}

TEST_CASE("another program's weights become a checkpoint: its model, classes and settings") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "m.pth";
  const auto source = model_with(2, 1);
  write_pth(path, state_dict(*source), {"cat", "dog"});
  ForeignInfo info;
  info.preprocess.image_size = 32;
  info.task = Task::single_label;
  LoadedModel loaded = model_from_weights(path, info);
  CHECK_EQ(loaded.info.model.backbone, "resnet18");
  CHECK_EQ(loaded.info.model.head, "gap");
  CHECK_EQ(loaded.info.preprocess.image_size, 32);
  CHECK_EQ(word(loaded.info.preprocess.normalize), "imagenet");  // what a ResNet was trained with
  CHECK_EQ(loaded.info.class_names, std::vector<std::string>{"cat", "dog"});
  const Var x(Tensor::full({1, 33, 33, 3}, 0.5f));
  CHECK_EQ((*loaded.model)(x).value.to_vector(), (*source)(x).value.to_vector());
  // And back from the file that it is saved to.
  save_model(folder.path() / "m.safetensors", state_dict(*loaded.model), loaded.info);
  CHECK_EQ(model_from_checkpoint(folder.path() / "m.safetensors").info, loaded.info);

  info.own_normalize = true;
  CHECK_EQ(word(model_from_weights(path, info).info.preprocess.normalize), "none");
  write_pth(path, state_dict(*source));
  CHECK_EQ(model_from_weights(path, info).info.class_names, std::vector<std::string>{"0", "1"});
  info.class_names = {"a", "b", "c"};
  const auto error = [&] {
    return message_of<DataError>([&] { model_from_weights(path, info); }, folder.path());
  };
  CHECK_EQ(error(), "ROOT/m.pth: 3 class names for a model of 2 classes");
  info.backbone = "resnet34";
  CHECK(error().ends_with("; the file looks like a resnet18 (120 of its 120 tensors fit)"));
  write_pth(path, {{"w", Tensor::zeros({3})}});
  info.backbone = "";
  CHECK(error().starts_with("ROOT/m.pth: the weights fit none of the backbones resnet18, "));
}

}  // namespace
}  // namespace mld
