// The labels that predict and search are asked for, against what a checkpoint knows.
#include "app/asked_labels.h"

#include <cmath>

#include "tests/data_files.h"

namespace mld {
namespace {

using test::message_of;
using test::TemporaryFolder;

CheckpointInfo words_info() {
  CheckpointInfo info;
  info.task = Task::zero_shot;
  info.model = {.backbone = "resnet18", .head = "ml_decoder", .classes = 2, .word_dim = 2,
                .groups = 2, .embed_dim = 16, .ffn = 8, .query = QueryKind::nlp,
                .pooling = PoolingKind::shared};
  info.set_label_space({.names = {"polar bear", "dog", "yak"}, .seen = {true, true, false},
                        .vectors = Tensor::from({3, 2}, std::vector<float>{1, 0, 0, 1, 0, -1})},
                       true);
  info.thresholds = {0.2, 0.3, 0.4};
  return info;
}

CheckpointInfo fixed_info() {
  CheckpointInfo info;
  info.model = {.backbone = "resnet18", .head = "gap", .classes = 3};
  info.class_names = {"Dog", "dog", "cat"};
  return info;
}

LabelRequest asked(const std::string& labels, const std::string& vectors = "") {
  return {.labels = labels, .labels_file = "", .vectors = vectors, .vocabulary = "",
          .given = true};
}

std::string refused(const LabelRequest& request, const CheckpointInfo& info) {
  return message_of<Error>([&] { label_space_of(asked_labels(request, info), request, info); });
}

}  // namespace

TEST_CASE("asked labels: without a request, all that the checkpoint knows") {
  const std::vector<AskedLabel> labels = asked_labels({}, words_info());
  REQUIRE(labels.size() == 3);
  CHECK(labels[2].name == "yak");
  CHECK(labels[2].id == 2);
  CHECK_FALSE(labels[2].seen);
  CHECK(labels[2].threshold == 0.4);
  CHECK(asked_labels({}, fixed_info())[1].threshold == 0.5);
}

TEST_CASE("asked labels: known ones by their words, others with vectors from a file") {
  const TemporaryFolder folder;
  folder.write("v.txt", "zebra 3 4\nape 0 2\ndog 9 9\n");
  const LabelRequest request =
      asked(" zebra,Polar_Bear , yak,", (folder.path() / "v.txt").string());
  const CheckpointInfo info = words_info();
  const std::vector<AskedLabel> labels = asked_labels(request, info);
  REQUIRE(labels.size() == 3);
  CHECK(labels[0].id == AskedLabel::kUnknown);
  CHECK_FALSE(labels[0].seen);
  CHECK(labels[0].threshold == 0.3);  // the median of those that were fitted
  CHECK(labels[1].name == "polar bear");
  CHECK(labels[1].id == 0);
  CHECK(labels[1].seen);
  const LabelSpace space = label_space_of(labels, request, info);
  CHECK(space.names == std::vector<std::string>{"zebra", "polar bear", "yak"});
  CHECK(space.seen == std::vector<bool>{false, true, false});
  const std::vector<float> values = space.vectors.to_vector();
  CHECK(values[0] == doctest::Approx(0.6));  // scaled as training's were
  CHECK(values[1] == doctest::Approx(0.8));
  CHECK(std::vector<float>(values.begin() + 2, values.end()) ==
        std::vector<float>{1, 0, 0, -1});
  CheckpointInfo unscaled = info;
  unscaled.vectors[0] = 2;
  CHECK(label_space_of(labels, request, unscaled).vectors.to_vector()[1] == 4);
}

TEST_CASE("asked labels: a model with fixed classes gives a part of them") {
  const std::vector<AskedLabel> labels = asked_labels(asked("cat,dog"), fixed_info());
  REQUIRE(labels.size() == 2);
  CHECK(labels[0].id == 2);
  CHECK(labels[1].id == 1);
  CHECK(refused(asked("cart"), fixed_info()).find(
            "--labels: the model has fixed classes, and 'cart' is none of them, did you mean "
            "'cat'?") == 0);
  CHECK(asked_labels(asked("Dog,dog"), fixed_info()).size() == 2);
  CHECK(refused(asked("DOG"), fixed_info()).find("'DOG' is none") != std::string::npos);
}

TEST_CASE("asked labels: a file of them, a name a line") {
  const TemporaryFolder folder;
  folder.write("names.txt", "\xEF\xBB\xBF" "dog\r\n\n  polar bear\n");
  LabelRequest request;
  request.given = true;
  request.labels_file = (folder.path() / "names.txt").string();
  CHECK(asked_names(request) == std::vector<std::string>{"dog", "polar bear"});
  folder.write("names.txt", "\n \n");
  CHECK(message_of<UsageError>([&] { asked_names(request); }, folder.path()) ==
        "ROOT/names.txt: no label; expected one a line");
  folder.write("names.txt", "dog\nc\xff\n");
  CHECK(message_of<DataError>([&] { asked_names(request); }, folder.path()) ==
        "ROOT/names.txt: 'c\\xff' is not UTF-8");
  request.labels_file = (folder.path() / "nothing.txt").string();
  CHECK(message_of<DataError>([&] { asked_names(request); }, folder.path()).find(
            "ROOT/nothing.txt: cannot open") == 0);
}

TEST_CASE("asked labels: what cannot be answered is refused") {
  const TemporaryFolder folder;
  folder.write("v.txt", "zebra 3 4 5\n");
  const std::string vectors = (folder.path() / "v.txt").string();
  CHECK(refused(asked("zebra,dog"), words_info()) ==
        "--labels: the checkpoint has no word vector of zebra; name the file of vectors that "
        "training had: --vectors FILE");
  CHECK(refused(asked("zebra", vectors), words_info()).find(
            "vectors of 3 numbers, but the model was trained with 2") != std::string::npos);
  CHECK(refused(asked("zebras and more", vectors), words_info()).find("zebras and more") !=
        std::string::npos);
  CHECK(refused(asked("dog, Dog"), words_info()) == "--labels: 'dog' is asked for twice");
  CHECK(refused(asked("zebra, Zebra", vectors), words_info()).find("--labels: ") == 0);
  CHECK(refused(asked(" , "), words_info()) ==
        "--labels: no label; expected names separated by commas");
}

}  // namespace mld
