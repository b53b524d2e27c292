// The pictures of CSV lists when the splits' pictures have equal names.
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

const std::string kRow = "path,label\n1.ppm,sun\n";
const std::string kBoth = "path,label,split\n1.ppm,sun,train\n2.ppm,sun,val\n";

// A folder with lists, and pictures 1.ppm and 2.ppm in each of `places`.
struct Case {
  Strings lists, places;
  std::string text = kRow;
};

// What a split reads: the sources of its pictures, or the error.
Strings read(const Case& data, const std::string& split, const std::string& word = "") {
  TemporaryFolder folder;
  for (const std::string& place : data.places) {
    folder.write_picture(place + "/1.ppm", 1);
    folder.write_picture(place + "/2.ppm", 2);
  }
  for (const std::string& list : data.lists) {
    folder.write(list, data.text);
  }
  DataOptions options = options_for(folder.path(), "csv");
  (split == "train" ? options.train : options.val) = word;
  Strings found;
  const std::string error = message_of<DataError>([&] {
    const auto opened = open_dataset(options, split);
    for (int64_t i = 0; i < opened->size(); ++i) {
      opened->probe(i);
      found.push_back(opened->source(i));
    }
  }, folder.path());
  return error == "no error" ? found : Strings{error};
}

std::string val_note(const Strings& places) {
  TemporaryFolder folder;
  for (const std::string& place : places) {
    folder.write_picture(place + "/1.ppm", 1);
    folder.write_picture(place + "/2.ppm", 2);
  }
  folder.write("data.csv", kBoth);
  const auto notes = open_splits(options_for(folder.path(), "csv")).val->notes();
  return notes.empty() ? "" : notes[0].substr(notes[0].rfind("; ") + 2);
}

}  // namespace

TEST_CASE("csv: a split's pictures are those of its own folder, whatever other folders hold") {
  CHECK(read({{"train.csv"}, {"train_images", "test_images"}}, "train") ==
        Strings{"train_images/1.ppm"});
  CHECK(read({{"training.csv"}, {"testing", "training"}}, "train") == Strings{"training/1.ppm"});
  CHECK(read({{"valid.csv"}, {"train", "valid"}}, "val") == Strings{"valid/1.ppm"});
  CHECK(read({{"test.csv"}, {"images/train", "images/TEST", "a"}}, "val", "test.csv") ==
        Strings{"images/TEST/1.ppm"});
  CHECK(read({{"train_labels.csv"}, {"Testing/images", "Training/images", "a"}}, "train") ==
        Strings{"Training/images/1.ppm"});
  CHECK(read({{"train.csv"}, {"a", "z_train"}}, "train") == Strings{"z_train/1.ppm"});
  CHECK(read({{"data.csv"}, {"Test", "Train"}, kBoth}, "train") == Strings{"Train/1.ppm"});
  CHECK(read({{"data.csv"}, {"Test", "Train", "Validation"}, kBoth}, "val") ==
        Strings{"Validation/2.ppm"});
  CHECK(read({{"data.csv"}, {"Test", "images/train", "images/extra"},
              "path,label,split\n1.ppm,sun,extra\n"}, "val", "extra") ==
        Strings{"images/extra/1.ppm"});
}

TEST_CASE("csv: pictures of another split are not taken, except from train if it holds all") {
  CHECK(read({{"train.csv"}, {"test_images"}}, "train")[0].starts_with("ROOT/1.ppm: "));
  CHECK(read({{"valid.csv"}, {"test", "train"}}, "val") == Strings{"train/1.ppm"});
  CHECK(read({{"valid.csv"}, {"train", "valid/other"}}, "val")[0].starts_with("ROOT/1.ppm: "));
}

TEST_CASE("csv: two folders that hold the pictures equally are an error that names both") {
  CHECK(read({{"train.csv"}, {"big", "small"}}, "train") ==
        Strings{"ROOT/train.csv: ROOT/big and ROOT/small both hold its pictures, such as 1.ppm; "
                "write the folder in the list's paths, or move the list into the right one and "
                "name it there in data.train"});
  CHECK(read({{"big/train.csv"}, {"big", "small"}}, "train", "big/train.csv") ==
        Strings{"big/1.ppm"});
  CHECK(read({{"train.csv"}, {"big", "small"}, "path,label\nsmall/1.ppm,sun\n"}, "train") ==
        Strings{"small/1.ppm"});
}

TEST_CASE("csv: the folder of val's pictures is said if it is not train's") {
  CHECK(val_note({"Train", "Valid"}) == "paths start from Valid/");
  CHECK(val_note({"pictures"}) == "");
}

}  // namespace mld::test
