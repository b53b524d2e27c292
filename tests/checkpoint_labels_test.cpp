// Names, marks and word vectors in checkpoints: what is written comes back; bad files are errors.
#include <limits>

#include "models/registry.h"
#include "tests/data_files.h"
#include "train/checkpoint.h"

namespace mld {
namespace {

using test::message_of;
using test::TemporaryFolder;

CheckpointInfo zero_shot_info() {
  CheckpointInfo info;
  info.task = Task::zero_shot;
  info.model = {.backbone = "resnet18", .head = "ml_decoder", .classes = 2, .word_dim = 2,
                .groups = 2, .embed_dim = 16, .ffn = 8, .query = QueryKind::nlp,
                .pooling = PoolingKind::shared};
  info.set_label_space({.names = {"cat", "dog", "yak"}, .seen = {true, true, false},
                        .vectors = Tensor::from({3, 2}, std::vector<float>{1, 2, 3, 4, 5, 6})},
                       true);
  return info;
}

struct Saved {
  TemporaryFolder folder;
  std::filesystem::path file = folder.path() / "w.safetensors";
  std::unique_ptr<Classifier> model;

  explicit Saved(const CheckpointInfo& info) : model(make_model(info.model)) {
    initialize(*model, 4);
    save_model(file, state_dict(*model), info);
  }
  std::string refused() const {
    return message_of<DataError>([&] { model_from_checkpoint(file); }, folder.path());
  }
};

std::string refused(const CheckpointInfo& info) { return Saved(info).refused(); }

std::string refused_metadata(const std::string& key, const std::string& value) {
  Metadata metadata = to_metadata(zero_shot_info());
  metadata[key] = value;
  return message_of<DataError>([&] { checkpoint_info(metadata, "file"); });
}

}  // namespace

TEST_CASE("a zero-shot checkpoint keeps names, marks and vectors") {
  const CheckpointInfo info = zero_shot_info();
  const Saved saved(info);
  CHECK(read_checkpoint_info(saved.file) == info);
  const LoadedModel loaded = model_from_checkpoint(saved.file);
  CHECK(loaded.info == info);
  const LabelSpace space = loaded.info.label_space();
  CHECK(space.names == std::vector<std::string>{"cat", "dog", "yak"});
  CHECK(space.seen == std::vector<bool>{true, true, false});
  CHECK(space.vectors.shape() == Shape{3, 2});
  CHECK(space.vectors.to_vector() == std::vector<float>{1, 2, 3, 4, 5, 6});
  // The vectors are no part of the model's state.
  CheckpointFile file(saved.file);
  for (const StateView& view : file.tensors()) {
    CHECK(view.name != "label_space.vectors");
  }
  CHECK(file.tensors().size() == state_dict(*saved.model).size());
}

TEST_CASE("other tasks have no marks, and vectors only if asked for") {
  CheckpointInfo info = zero_shot_info();
  info.task = Task::multi_label;
  info.model.classes = 3;
  const LabelSpace space = info.label_space();
  info.set_label_space(space, true);
  CHECK(model_from_checkpoint(Saved(info).file).info == info);
  info.set_label_space(space, false);
  CHECK(info.seen.empty());
  CHECK(info.vectors.empty());
  CHECK(refused(info) == "ROOT/w.safetensors: tensor label_space.vectors is missing: the model "
                         "knows its classes by word vectors");
  info.model.query = QueryKind::random;
  info.model.pooling = PoolingKind::learned;
  info.model.word_dim = 0;
  CHECK_FALSE(CheckpointFile(Saved(info).file).label_vectors());
}

TEST_CASE("hostile label spaces are errors") {
  CHECK(refused_metadata("seen", "[1, 0]") == "file: 2 marks in \"seen\" for 3 classes");
  CHECK(refused_metadata("seen", "[1, 1, 2]") ==
        "file: metadata \"seen\" has 2, expected 0 or 1");
  CHECK(refused_metadata("seen", "[1, 1, \"a\"]").find("seen") != std::string::npos);
  CHECK(refused_metadata("seen", "[1, 0, 0]") ==
        "file: 1 seen classes for a model of 2 classes");
  CHECK(refused_metadata("task", "multi-label") ==
        "file: its metadata have \"seen\", but its task is multi-label");
  CHECK(refused_metadata("classes", "[\"cat\", \"Cat\", \"yak\"]").find(
            "file: the classes 'cat' and 'Cat' differ only") == 0);
  Metadata without = to_metadata(zero_shot_info());
  without.erase("seen");
  CHECK(message_of<DataError>([&] { checkpoint_info(without, "file"); }) ==
        "file: its metadata lack \"seen\", but its task is zero-shot");

  CheckpointInfo info = zero_shot_info();
  info.vectors[3] = std::numeric_limits<float>::infinity();
  CHECK(refused(info) == "ROOT/w.safetensors: the vector of 'dog' has inf at position 2");
  info = zero_shot_info();
  info.vectors[2] = info.vectors[3] = 0;
  CHECK(refused(info).find("the vector of 'dog' is all zero") != std::string::npos);
}

TEST_CASE("vectors of another shape or type are errors") {
  const CheckpointInfo info = zero_shot_info();
  const Saved saved(info);
  const auto refused_with = [&](const Tensor& vectors) {
    Checkpoint checkpoint{.tensors = state_dict(*saved.model), .metadata = to_metadata(info)};
    checkpoint.tensors.emplace_back("label_space.vectors", vectors);
    save_checkpoint(saved.file, checkpoint);
    return saved.refused();
  };
  const std::string expected = ", expected F32 [3, 2]: a word vector per class";
  CHECK(refused_with(Tensor::full({3, 3}, 1)).find("2 dimensions" + expected) !=
        std::string::npos);
  CHECK(refused_with(Tensor::full({2, 3}, 1)) ==
        "ROOT/w.safetensors: tensor label_space.vectors has type F32 and 2 dimensions" + expected);
  CHECK(refused_with(Tensor::full({6}, 1)).find("1 dimensions" + expected) != std::string::npos);
  CHECK(refused_with(Tensor::full({3, 2}, 1, DType::bf16)).find("type BF16") != std::string::npos);
}

}  // namespace mld
