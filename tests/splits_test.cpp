// Train and validation: one split off from the other, and warnings about a pair, the same in every
// format.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "data/inspect.h"
#include "data/split_warnings.h"
#include "data/val_fraction.h"
#include "tests/fake_dataset.h"
#include "tests/tiny_data.h"

namespace mld::test {
namespace {

// One class per picture.
using Pictures = std::map<std::string, std::string>;

std::string coco_of(const Pictures& pictures, const std::vector<std::string>& classes) {
  std::string images, annotations, categories;
  int id = 0;
  for (const auto& [name, label] : pictures) {
    const auto category = std::ranges::find(classes, label) - classes.begin();
    images += fmt::format("{}{{\"id\": {}, \"file_name\": \"{}.ppm\"}}", id ? ", " : "", id, name);
    annotations += fmt::format("{}{{\"image_id\": {}, \"category_id\": {}}}", id ? ", " : "", id,
                               category);
    ++id;
  }
  for (size_t k = 0; k < classes.size(); ++k) {
    categories += fmt::format("{}{{\"id\": {}, \"name\": \"{}\"}}", k ? ", " : "", k, classes[k]);
  }
  return fmt::format("{{\"images\": [{}], \"annotations\": [{}], \"categories\": [{}]}}", images,
                     annotations, categories);
}

std::vector<std::string> classes_of(const Pictures& pictures) {
  std::set<std::string> names;
  for (const auto& [name, label] : pictures) {
    names.insert(label);
  }
  return {names.begin(), names.end()};
}

// The same pictures in every format; without val they are laid out as the format's users have them.
using Writer = void (*)(const TemporaryFolder& folder, const Pictures& train, const Pictures& val);

void write_pictures(const TemporaryFolder& folder, const fs::path& below,
                    const Pictures& pictures) {
  for (const auto& [name, label] : pictures) {  // two pictures of one name are equal
    folder.write_picture(below / (name + ".ppm"), name[0] * 7 + name.back());
  }
}

void write_coco(const TemporaryFolder& folder, const Pictures& train, const Pictures& val) {
  write_pictures(folder, "images", train);
  folder.write("annotations/instances_train.json", coco_of(train, classes_of(train)));
  if (!val.empty()) {
    write_pictures(folder, "images", val);
    folder.write("annotations/instances_val.json", coco_of(val, classes_of(val)));
  }
}

void write_voc(const TemporaryFolder& folder, const Pictures& train, const Pictures& val) {
  for (const auto& [split, pictures] : {std::pair{"train", &train}, {"val", &val}}) {
    std::string ids;
    for (const auto& [name, label] : *pictures) {
      folder.write("Annotations/" + name + ".xml",
                   "<annotation><object><name>" + label + "</name></object></annotation>");
      ids += name + "\n";
    }
    write_pictures(folder, "JPEGImages", *pictures);
    if (!val.empty()) {
      folder.write(fmt::format("ImageSets/Main/{}.txt", split), ids);
    }
  }
}

void write_csv(const TemporaryFolder& folder, const Pictures& train, const Pictures& val) {
  for (const auto& [split, pictures] : {std::pair{"train", &train}, {"val", &val}}) {
    std::string text = "path,labels\n";
    for (const auto& [name, label] : *pictures) {
      text += name + ".ppm,[" + label + "]\n";
    }
    write_pictures(folder, "", *pictures);
    if (!pictures->empty()) {
      folder.write(fmt::format("{}.csv", split), text);
    }
  }
}

void write_folders(const TemporaryFolder& folder, const Pictures& train, const Pictures& val) {
  for (const auto& [split, pictures] : {std::pair{"train", &train}, {"val", &val}}) {
    for (const auto& [name, label] : *pictures) {
      write_pictures(folder, fs::path(split) / label, {{name, label}});
    }
  }
}

const std::map<std::string, Writer> kWriters = {
    {"coco", write_coco}, {"voc", write_voc}, {"csv", write_csv}, {"folder", write_folders}};

std::vector<std::string> sources_of(const Dataset& data) {
  std::vector<std::string> sources;
  for (int64_t i = 0; i < data.size(); ++i) {
    sources.push_back(data.source(i));
  }
  return sources;
}

// Ten pictures of each of four classes, and two of a fifth.
Pictures many() {
  Pictures pictures;
  for (int i = 0; i < 40; ++i) {
    pictures[fmt::format("p{:02}", i)] = std::string(1, static_cast<char>('a' + i % 4));
  }
  pictures["q0"] = pictures["q1"] = "rare";
  return pictures;
}

}  // namespace

TEST_CASE("splits: val_fraction takes its part of every class, by seed, in every format") {
  for (const auto& [format, write] : kWriters) {
    CAPTURE(format);
    TemporaryFolder folder;
    write(folder, many(), {});
    DataOptions options = options_for(folder.path());
    CHECK(message_of<NoSplit>([&] { open_splits(options); })
              .ends_with("; or let data.val_fraction = 0.1 take a part of the training pictures"));
    options.val_fraction = 0.2;
    const Splits splits = open_splits(options);
    CHECK(splits.warnings.empty());
    CHECK(splits.train->class_names() == splits.val->class_names());
    for (size_t k = 0; k < 4; ++k) {
      CHECK(count(*splits.train, k, Label::present) == 8);
      CHECK(count(*splits.val, k, Label::present) == 2);
    }
    CHECK(count(*splits.train, 4, Label::present) >= 1);
    CHECK(splits.train->size() + splits.val->size() == 42);
    std::vector<std::string> all = sources_of(*splits.train), val = sources_of(*splits.val);
    all.insert(all.end(), val.begin(), val.end());
    CHECK(std::set(all.begin(), all.end()).size() == 42);
    CHECK(splits.val->load(0).width == 4);
    CHECK(fingerprint(*open_dataset(options, "val")) == fingerprint(*splits.val));
    CHECK(sources_of(*open_dataset(options, "train", Purpose::evaluation)) ==
          sources_of(*splits.train));
    options.seed = 43;
    CHECK(sources_of(*open_dataset(options, "val")) != val);
    options.val_size = 3;
    options.train_size = 5;
    CHECK(open_dataset(options, "val")->size() == 3);
    CHECK(open_dataset(options, "train")->size() == 5);
    options.val_fraction = 0.001;
    CHECK(message_of<DataError>([&] { open_dataset(options, "val"); }) ==
          "data.val_fraction = 0.001 of 42 pictures leaves none for validation; raise it");
    options.val = "val";
    CHECK_THROWS_AS(open_dataset(options, "val"), UsageError);
  }
}

TEST_CASE("splits: val_fraction leaves a val split alone, and test stays out") {
  TemporaryFolder folder;
  write_folders(folder, {{"a1", "cat"}, {"b1", "dog"}, {"c1", "dog"}}, {{"d1", "dog"}});
  folder.write_picture("test/cat/x.ppm", 1);
  DataOptions options = options_for(folder.path());
  options.val_fraction = 0.5;
  CHECK(sources_of(*open_dataset(options, "val")) == std::vector<std::string>{"val/dog/d1.ppm"});
  CHECK(open_dataset(options, "train")->size() == 3);
  CHECK(open_dataset(options, "test")->size() == 1);
}

TEST_CASE("splits: a multi-label picture is drawn with its rarest class; small strata keep one") {
  class Table : public FakeDataset {
   public:
    explicit Table(const std::vector<std::vector<LabelEntry>>& rows) : FakeDataset(0) {
      for (const auto& row : rows) {
        table.add(row);
      }
    }
    int64_t size() const override { return table.size(); }
    std::span<const LabelEntry> labels(int64_t i) const override { return table.row(i); }
    LabelTable table;
  };
  std::vector<std::vector<LabelEntry>> rows;
  for (int i = 0; i < 100; ++i) {  // class 0 everywhere, 1 in ten, 2 in one, whose label is unknown
    rows.push_back({{0}});
    if (i % 10 == 0) {
      rows.back().push_back({1});
    }
    if (i == 5) {
      rows.back().push_back({2, Label::unknown});
    }
  }
  rows.resize(110);  // without labels
  for (const uint64_t seed : {1u, 2u, 3u}) {
    const std::vector<bool> val = validation_part(Table(rows), 0.3, seed);
    int with_one = 0, without = 0, all = 0;
    for (size_t i = 0; i < 110; ++i) {
      with_one += val[i] && i < 100 && i % 10 == 0;
      without += val[i] && i >= 100;
      all += val[i];
    }
    CHECK(with_one == 3);
    CHECK(without == 3);
    CHECK(std::abs(all - 33) <= 1);
    CHECK(!validation_part(Table(rows), 0.9, seed)[5]);  // the only one of its class
    CHECK(val == validation_part(Table(rows), 0.3, seed));
    CHECK(val != validation_part(Table(rows), 0.3, seed + 1));
  }
}

TEST_CASE("splits: odd splits are warned of in the same words in every format") {
  const auto warnings = [](Writer write, const Pictures& train, const Pictures& val) {
    TemporaryFolder folder;
    write(folder, train, val);
    const Splits splits = open_splits(options_for(folder.path()));
    CHECK(splits.train->class_names() == splits.val->class_names());
    std::vector<std::string> all = splits.warnings;
    all.push_back(same_pictures_warning(*splits.train, *splits.val, "val"));
    return all;
  };
  for (const auto& [format, write] : kWriters) {
    CAPTURE(format);
    CHECK(warnings(write, {{"a1", "red"}, {"b2", "blue"}}, {{"c3", "red"}}) ==
          std::vector<std::string>{""});
    CHECK(warnings(write, {{"a1", "red"}, {"b2", "blue"}}, {{"c3", "redd"}, {"d4", "red"}}) ==
          std::vector<std::string>{"1 of 3 classes without a training picture: 'redd', but 1 label "
                                   "of val, did you mean 'red'?",
                                   ""});
    CHECK(warnings(write, {{"a1", "red"}, {"b2", "Red"}}, {{"c3", "red"}}) ==
          std::vector<std::string>{"class names that differ only in upper and lower case: 'Red', "
                                   "'red'; if they mean one class, spell them alike", ""});
    CHECK(warnings(write, {{"a1", "red"}, {"b2", "red"}}, {{"c3", "red"}}) ==
          std::vector<std::string>{"there is a single class, 'red', and all 2 training pictures "
                                   "show it: the model has nothing to learn, and every metric "
                                   "will be perfect; add pictures without it or with other classes",
                                   ""});
  }
  // Folders cannot have one file in two splits, so the copy is found by its bytes.
  for (const auto& [format, write] : kWriters) {
    CAPTURE(format);
    const auto all = warnings(write, {{"a1", "red"}, {"b2", "blue"}, {"c3", "blue"}},
                              {{"b2", "blue"}, {"d4", "red"}});
    const std::string begin = "1 of 2 pictures of val is among the training pictures too, such as ";
    const std::string end = ": the results on val will look better than they are";
    if (format == "folder") {
      CHECK(all == std::vector<std::string>{begin + "val/blue/b2.ppm, the same bytes as "
                                                    "train/blue/b2.ppm" + end});
    } else {
      REQUIRE(all.size() == 2);
      CHECK(all[0].starts_with(begin));
      CHECK(all[0].ends_with("b2.ppm" + end));
      CHECK(all[1].empty());
    }
  }
}

TEST_CASE("splits: pictures are the same if their files are, not if their names are") {
  using Strings = std::vector<std::string>;
  TemporaryFolder folder, other;  // other files of the same names, outside the root
  write_folders(folder, {{"a1", "red"}, {"b2", "blue"}}, {});
  other.write_picture("red/a1.ppm", 5);
  other.write_picture("blue/b2.ppm", 6);
  DataOptions options = options_for(folder.path(), "folder");
  options.train = (folder.path() / "train").native();
  options.val = other.path().native();
  options.root = folder.path() / "train/red";
  CHECK(open_splits(options).warnings.empty());
  options.val = options.train;
  CHECK(open_splits(options).warnings.size() == 1);

  TemporaryFolder lists;
  write_csv(lists, {{"a1", "red"}, {"b2", "blue"}}, {{"c3", "red"}});
  lists.write("val.csv", "path,labels\n./a1.ppm,[red]\nx/..c3.ppm,[red]\n");
  const Splits splits = open_splits(options_for(lists.path(), "csv"));
  REQUIRE(splits.warnings.size() == 1);
  CHECK(splits.warnings[0].starts_with("1 of 2 pictures of val is among the training pictures"));
  lists.write("train.csv", "path,labels\n./b2.ppm,[blue]\n.//a1.ppm,[red]\n");
  const auto train = open_dataset(options_for(lists.path(), "csv"), "train");
  const std::vector<const Dataset*> opened = {train.get()};
  CHECK(unused_pictures(lists.path(), opened) == Strings{"c3.ppm"});

  TemporaryFolder cifar;
  write_tiny_cifar(cifar, "data");
  cifar.write("more/data_batch_1.bin", std::string(3073, '\1'));
  options = options_for(cifar.path() / "data");
  options.val = "../more/data_batch_1.bin";
  CHECK(open_splits(options).warnings.empty());
  options.val = "../data/data_batch_1.bin";
  CHECK(open_splits(options).warnings.size() == 1);
}

TEST_CASE("splits: a root category that no annotation uses is warned of") {
  TemporaryFolder folder;
  const Pictures train = {{"a1", "red"}, {"b2", "blue"}};
  write_pictures(folder, "images", train);
  for (const char* split : {"train", "val"}) {
    folder.write(fmt::format("annotations/instances_{}.json", split),
                 coco_of(train, {"colours", "red", "blue"}));
  }
  const Splits splits = open_splits(options_for(folder.path()));
  REQUIRE(splits.warnings.size() == 2);
  CHECK(splits.warnings[0] == "1 of 3 classes without a training picture: 'colours'");
}

TEST_CASE("splits: options that say nothing about this data are named") {
  const auto notes = [](DataOptions options) {
    const Splits splits = open_splits(options);
    std::vector<std::string> all = splits.train->notes();
    all.push_back("val:");
    all.insert(all.end(), splits.val->notes().begin(), splits.val->notes().end());
    return all;
  };
  TemporaryFolder folder;
  write_folders(folder, {{"a1", "red"}, {"b2", "blue"}}, {{"c3", "red"}});
  DataOptions options = options_for(folder.path());
  options.label_separator = "|";
  options.columns = "path,labels";
  options.difficult = Difficult::ignore;
  options.val_fraction = 0.25;
  CHECK(notes(options) ==
        std::vector<std::string>{"data.label_separator is not used: the data's format is folder",
                                 "data.columns is not used: the data's format is folder",
                                 "data.difficult is not used: the data's format is folder", "val:",
                                 "data.val_fraction = 0.25 is not used: there is a val split"});
  CHECK(notes(options_for(folder.path())) == std::vector<std::string>{"val:"});
  DataOptions drawn;
  drawn.format = "shapes";
  drawn.train_size = drawn.val_size = 8;
  drawn.val_fraction = 0.5;
  CHECK(notes(drawn).back() == "data.val_fraction = 0.5 is not used: there is a val split");
  TemporaryFolder lists;
  write_csv(lists, {{"a1", "red"}, {"b2", "blue"}}, {{"c3", "red"}});
  DataOptions csv = options_for(lists.path());
  csv.label_separator = "|";
  csv.columns = "path,labels";
  for (const std::string& note : notes(csv)) {
    CHECK(note.find("not used") == std::string::npos);
  }
  csv.val_fraction = 1.5;
  CHECK(message_of<UsageError>([&] { open_splits(csv); }) ==
        "data.val_fraction = 1.5: expected the part of the training pictures that becomes val, a "
        "number between 0 and 1 such as 0.1");
}

}  // namespace mld::test
