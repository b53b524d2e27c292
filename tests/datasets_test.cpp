// Data formats on real data sets and reference labels: counts, order, class lists.
#include <algorithm>

#include "data/file.h"
#include "data/formats/coco.h"
#include "data/formats/csv.h"
#include "data/inspect.h"
#include "data/safetensors.h"
#include "data/formats/format.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

struct VocCounts {
  const char* name;
  int64_t train, train_difficult, val, val_difficult, test, test_difficult;
};

// The table of the data's README: pictures with the class, pictures with only difficult objects.
constexpr VocCounts kVoc[] = {
    {"aeroplane", 113, 0, 29, 1, 41, 0},     {"bicycle", 133, 5, 34, 4, 48, 1},
    {"bird", 157, 3, 40, 2, 57, 0},          {"boat", 96, 2, 24, 0, 35, 2},
    {"bottle", 118, 13, 30, 6, 43, 6},       {"bus", 97, 6, 25, 1, 35, 2},
    {"car", 401, 28, 102, 5, 145, 13},       {"cat", 179, 6, 46, 1, 65, 2},
    {"chair", 232, 75, 59, 20, 84, 22},      {"cow", 70, 0, 18, 0, 26, 0},
    {"diningtable", 106, 32, 27, 9, 38, 9},  {"dog", 232, 6, 59, 4, 85, 3},
    {"horse", 152, 1, 39, 2, 55, 1},         {"motorbike", 123, 4, 31, 3, 45, 2},
    {"person", 1120, 51, 284, 10, 394, 21},  {"pottedplant", 124, 15, 32, 5, 45, 6},
    {"sheep", 54, 0, 14, 0, 19, 0},          {"sofa", 124, 67, 32, 21, 45, 28},
    {"train", 144, 0, 37, 0, 52, 0},         {"tvmonitor", 127, 16, 33, 1, 46, 6}};

}  // namespace

TEST_CASE("voc: VOC 2007 has the published counts, difficult objects by purpose") {
  const fs::path root = shared_data("voc2007");
  if (root.empty()) {
    return;
  }
  DataOptions options = options_for(root);
  CHECK(format_of(options).name == "voc");
  const auto train = open_dataset(options, "train"), val = open_dataset(options, "val");
  const auto test = open_dataset(options, "test");
  const auto train_for_evaluation = open_dataset(options, "train", Purpose::evaluation);
  options.difficult = Difficult::ignore;
  const auto train_ignore = open_dataset(options, "train");
  CHECK(train->size() == 2752);
  CHECK(val->size() == 700);
  CHECK(test->size() == 1000);
  CHECK(train->class_names() == lines_of(root / "classes.txt"));
  REQUIRE(train->class_names().size() == 20);
  for (size_t k = 0; k < 20; ++k) {
    CAPTURE(kVoc[k].name);
    CHECK(train->class_names()[k] == kVoc[k].name);
    CHECK(count(*train, k, Label::present) == kVoc[k].train + kVoc[k].train_difficult);
    CHECK(count(*train, k, Label::unknown) == 0);
    for (const Dataset* data : {train_for_evaluation.get(), train_ignore.get()}) {
      CHECK(count(*data, k, Label::present) == kVoc[k].train);
      CHECK(count(*data, k, Label::unknown) == kVoc[k].train_difficult);
    }
    CHECK(count(*val, k, Label::present) == kVoc[k].val);
    CHECK(count(*val, k, Label::unknown) == kVoc[k].val_difficult);
    CHECK(count(*test, k, Label::present) == kVoc[k].test);
    CHECK(count(*test, k, Label::unknown) == kVoc[k].test_difficult);
  }
  CHECK(train->source(0) == "VOCdevkit/VOC2007/JPEGImages/000002.jpg");
  const Image first = train->load(0);
  CHECK(first.width == 128);
  CHECK(first.height == 128);
  CHECK(fingerprint(*train) != fingerprint(*train_ignore));
  CHECK(fingerprint(*train) != fingerprint(*val));

  options.train = "trainval";
  CHECK(open_dataset(options, "train")->size() == 3452);
  options.root = root / "VOCdevkit";
  CHECK(open_dataset(options, "train")->source(0) == "VOC2007/JPEGImages/000001.jpg");
  options.train_size = 10;
  const auto ten = open_dataset(options, "train");
  CHECK(ten->size() == 10);
  CHECK(ten->class_names().size() == 20);
  REQUIRE(ten->notes().size() == 1);
  CHECK(ten->notes()[0].ends_with("only the first 10 of 3452 pictures are used"));
}

TEST_CASE("csv: VOC 2007's list has the same labels as its XML") {
  const fs::path root = shared_data("voc2007");
  if (root.empty()) {
    return;
  }
  DataOptions options = options_for(root, "csv");
  const Splits splits = open_splits(options);
  CHECK(splits.train->size() == 3452);
  CHECK(splits.val->size() == 1000);
  CHECK(splits.train->class_names() == lines_of(root / "classes.txt"));
  for (size_t k = 0; k < 20; ++k) {
    CHECK(count(*splits.train, k, Label::present) == kVoc[k].train + kVoc[k].val);
    CHECK(count(*splits.val, k, Label::present) == kVoc[k].test);
  }
}

TEST_CASE("coco: coco-mini has the published counts, order and class list") {
  const fs::path root = shared_data("coco-mini"), names = shared_data("wordvecs/coco");
  if (root.empty() || names.empty()) {
    return;
  }
  constexpr int64_t kTrain[80] = {
      142, 8,  31, 8,  8,  9, 6,  16, 6, 12, 3,  6,  5,  13, 5,  9,  19, 3,  2,  2,
      6,   4,  4,  6,  14, 9, 23, 8,  8, 7,  5,  5,  14, 4,  9,  10, 7,  3,  7,  34,
      18,  37, 15, 18, 12, 33, 6, 4,  7, 5,  9,  10, 3,  8,  7,  9,  32, 9,  20, 10,
      38,  9,  12, 12, 7,  10, 9, 13, 8, 14, 2,  15, 13, 20, 14, 10, 5,  12, 2,  6};
  constexpr int64_t kVal[80] = {
      173, 15, 32, 14, 6,  15, 6,  17, 9, 10, 5, 5,  3,  9, 10, 10, 6,  5, 7,  2,
      5,   4,  4,  4,  15, 8,  19, 16, 7, 4,  7, 2,  7,  6, 6,  7,  7,  9, 6,  33,
      15,  37, 17, 22, 20, 30, 13, 8,  7, 6,  9, 4,  2,  10, 7, 6,  31, 8, 13, 11,
      44,  10, 23, 13, 11, 9,  14, 16, 4, 10, 3, 21, 11, 14, 10, 7, 2,  5, 2,  3};
  DataOptions options = options_for(root);
  CHECK(format_of(options).name == "coco");
  const Splits splits = open_splits(options);
  CHECK(splits.train->size() == 292);
  CHECK(splits.val->size() == 308);
  REQUIRE(splits.train->notes().size() == 1);
  CHECK(splits.train->notes()[0].ends_with(
      "2 pictures without labels dropped (data.unlabelled = \"drop\")"));
  CHECK(splits.train->class_names() == lines_of(names / "classes.txt"));
  for (size_t k = 0; k < 80; ++k) {
    CAPTURE(splits.train->class_names()[k]);
    CHECK(count(*splits.train, k, Label::present) == kTrain[k]);
    CHECK(count(*splits.val, k, Label::present) == kVal[k]);
  }
  const CocoAnnotations coco = read_coco(root / "annotations/instances_train2014.json");
  CHECK(coco.images.size() == 294);
  CHECK(coco.annotations.size() == 2509);
  const int64_t first_id = coco.annotations[0].image_id;
  CHECK(splits.train->source(0) == fmt::format("train2014/COCO_train2014_{:012}.jpg", first_id));

  options.unlabelled = Unlabelled::keep;
  const auto keep = open_dataset(options, "train");
  CHECK(keep->size() == 294);
  CHECK(keep->source(291) == splits.train->source(291));  // pictures without labels come last
  CHECK(keep->labels(292).empty());
  CHECK(keep->labels(293).empty());
  options.train = "train2014";
  CHECK(open_dataset(options, "train")->size() == 294);

  const DatasetReport report = inspect(*keep, true);
  CHECK(report.bad.empty());
  CHECK(report.positives[0] == 142);
  CHECK(report.label_histogram[0] == 2);
  CHECK(report.largest_side == 224);
  int64_t weighted = 0, samples = 0;
  for (size_t n = 0; n < report.label_histogram.size(); ++n) {
    weighted += static_cast<int64_t>(n) * report.label_histogram[n];
    samples += report.label_histogram[n];
  }
  CHECK(samples == 294);
  CHECK(report.labels_per_sample() == doctest::Approx(static_cast<double>(weighted) / 294));
}

TEST_CASE("coco: the labels equal the reference's") {
  const SafeTensorsFile reference(kFixtures / "coco_targets.safetensors");
  TemporaryFolder folder;
  fs::create_directories(folder.path() / "annotations");
  fs::copy(kFixtures / "coco_small.json", folder.path() / "annotations/instances_train.json");
  const auto data = open_dataset(options_for(folder.path(), "coco"), "train");
  const std::vector<double> labels = reference.at("labels").to_doubles();
  REQUIRE(data->size() == 8);
  REQUIRE(data->class_names().size() == 6);
  std::vector<double> ours_padded(labels.size());
  for (size_t i = 0; i < 8; ++i) {
    for (size_t k = 0; k < 6; ++k) {
      ours_padded[i * 80 + k] = static_cast<double>(label_of(*data, static_cast<int64_t>(i), k));
    }
  }
  CHECK(ours_padded == labels);
}

TEST_CASE("csv: the published reading rule (classes, seen and unseen rows)") {
  const SafeTensorsFile reference(kFixtures / "nus_small.safetensors");
  const LabelCsv csv =
      parse_label_csv(read_text_file(kFixtures / "nus_small.csv", 1 << 20), "nus_small.csv");
  const std::vector<std::string> classes = {"Cat", "a-b", "apple", "bear", "dog", "fox", "moon",
                                            "sea side", "sky", "tree", "zebra", "Éclair"};
  CHECK(csv.classes == classes);
  CHECK(csv.splits == std::vector<std::string>{"train", "val"});
  for (const std::string split : {"train", "val"}) {
    const std::string ids_name = split == "train" ? "train_class_ids" : "test_class_ids";
    const std::vector<double> ids = reference.at(ids_name).to_doubles();
    std::vector<double> rows, targets;
    for (size_t i = 0; i < csv.rows.size(); ++i) {
      const LabelCsv::Row& row = csv.rows[i];
      std::vector<double> target;
      for (const double id : ids) {
        target.push_back(std::ranges::count(row.labels, static_cast<int32_t>(id)) > 0);
      }
      if (csv.splits[static_cast<size_t>(row.split)] == split && std::ranges::count(target, 1)) {
        rows.push_back(static_cast<double>(i));
        targets.insert(targets.end(), target.begin(), target.end());
      }
    }
    CHECK(rows == reference.at(split + "_rows").to_doubles());
    CHECK(targets == reference.at(split + "_targets").to_doubles());
  }
}

TEST_CASE("csv: the NUS-WIDE sample") {
  const fs::path root = shared_data("nuswide-sample");
  if (root.empty()) {
    return;
  }
  const Splits splits = open_splits(options_for(root));
  CHECK(splits.train->size() == 60);
  CHECK(splits.val->size() == 40);
  CHECK(splits.train->class_names().size() == 52);
  const DatasetReport train = inspect(*splits.train, true), val = inspect(*splits.val, true, 1);
  CHECK(train.bad.empty());
  const auto column = [&](const char* name) {
    const auto& names = train.class_names;
    return static_cast<size_t>(std::ranges::find(names, name) - names.begin());
  };
  CHECK(train.positives[column("animal")] == 26);
  CHECK(val.positives[column("animal")] == 18);
  CHECK(train.positives[column("vehicle")] == 18);
  CHECK(val.positives[column("vehicle")] == 11);
  CHECK(train.positives[column("zebra")] == 2);
}

}  // namespace mld::test
