// data.val_list: the pictures of train that become val, in every format; and lists that are wrong.
#include <algorithm>

#include "data/val_fraction.h"
#include "tests/tiny_data.h"

namespace mld::test {
namespace {

std::vector<std::string> sources_of(const Dataset& data) {
  std::vector<std::string> sources;
  for (int64_t i = 0; i < data.size(); ++i) {
    sources.push_back(data.source(i));
  }
  return sources;
}

// The message about a list with this text.
std::string list_error(const TemporaryFolder& folder, const std::string& text) {
  folder.write("list.txt", text);
  DataOptions options = options_for(folder.path() / "data");
  options.val_list = (folder.path() / "list.txt").native();
  return message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path());
}

}  // namespace

TEST_CASE("val_list: the listed pictures are val, the others train, in every format") {
  for (const auto write : {write_tiny_coco, write_tiny_voc, write_tiny_csv, write_tiny_jsonl,
                           write_tiny_open_images, write_tiny_webdataset, write_tiny_text,
                           write_tiny_folder, write_tiny_cifar}) {
    TemporaryFolder folder;
    write(folder, "data");
    DataOptions options = options_for(folder.path() / "data");
    const std::vector<std::string> all = sources_of(*open_dataset(options, "train"));
    CAPTURE(all[0]);
    REQUIRE(all.size() == 6);
    folder.write("list.txt", all[4] + "\r\n\n" + all[1]);
    options.val_list = (folder.path() / "list.txt").native();
    const Splits splits = open_splits(options);
    CHECK(sources_of(*splits.val) == std::vector<std::string>{all[1], all[4]});
    CHECK(sources_of(*splits.train) ==
          std::vector<std::string>{all[0], all[2], all[3], all[5]});
    CHECK(splits.train->class_names() == splits.val->class_names());
    CHECK(splits.val->notes().back().ends_with("list.txt\": val has 2 of 6 pictures"));
    options.train_size = 3;
    CHECK(open_dataset(options, "train")->size() == 3);
    CHECK(open_dataset(options, "test")->size() == (write == write_tiny_cifar ? 4 : 2));
  }
}

TEST_CASE("val_list: a list that does not fit the data, or says it twice") {
  TemporaryFolder folder;
  write_tiny_csv(folder, "data");
  CHECK(list_error(folder, "train_0.ppm\ntrain_9.ppm\nx.ppm\n") ==
        "ROOT/list.txt:2: 'train_9.ppm' is not among the 6 pictures of the data (2 such lines); "
        "write the paths as `mltrain init` does, such as train_0.ppm, or make the list again");
  CHECK(list_error(folder, "train_0.ppm\nval_0.ppm") ==
        "ROOT/list.txt:2: 'val_0.ppm' is not among the 6 pictures of the data; write the paths as "
        "`mltrain init` does, such as train_0.ppm, or make the list again");
  CHECK(list_error(folder, "train_0.ppm\n\ntrain_0.ppm\n") ==
        "ROOT/list.txt:3: 'train_0.ppm' is in line 1 already");
  CHECK(list_error(folder, "\n \n") == "ROOT/list.txt: the list is empty");
  std::string all;
  for (int i = 0; i < 6; ++i) {
    all += fmt::format("train_{}.ppm\n", i);
  }
  CHECK(list_error(folder, all) ==
        "ROOT/list.txt: it lists every picture, which leaves none for training");
  DataOptions options = options_for(folder.path() / "data");
  options.val_list = (folder.path() / "none.txt").native();
  CHECK(message_of<DataError>([&] { open_dataset(options, "val"); }, folder.path())
            .starts_with("ROOT/none.txt: "));
  options.val_list = "list.txt";
  options.val_fraction = 0.5;
  CHECK(message_of<UsageError>([&] { open_dataset(options, "val"); }) ==
        "data.val_list = \"list.txt\" says which pictures are for validation, and so does "
        "data.val_fraction; set one");
  options.val = "val";
  CHECK(message_of<UsageError>([&] { open_dataset(options, "val"); }) ==
        "data.val_list = \"list.txt\" says which pictures are for validation, and so does "
        "data.val; set one");
}

TEST_CASE("val_list: a label that is only known to be absent is in no stratum") {
  class Absent : public Dataset {
   public:
    Absent() : Dataset({.names = {"a", "b"}}) {}
    int64_t size() const override { return 40; }
    std::span<const LabelEntry> labels(int64_t i) const override {
      static const LabelEntry kRows[][2] = {{{0}, {1, Label::absent}}, {{0}, {1}}};
      return kRows[i < 30 ? 0 : 1];
    }
    Image load(int64_t) const override { return {}; }
    std::string source(int64_t i) const override { return fmt::format("{}", i); }
  };
  for (const uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {  // b is the rarer class, in ten pictures
    const std::vector<bool> val = validation_part(Absent(), 0.1, seed);
    CHECK(std::count(val.begin(), val.begin() + 30, true) == 3);
    CHECK(std::count(val.begin() + 30, val.end(), true) == 1);
  }
}

}  // namespace mld::test
