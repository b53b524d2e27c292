// Layouts of folders: words for splits, what is left out, what is refused by name, what to set.
#include "data/formats/format.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

std::string error_of(const TemporaryFolder& folder, const std::string& format = "auto") {
  return message_of<DataError>(
      [&] { open_dataset(options_for(folder.path(), format), "train"); }, folder.path());
}

std::string refusal(const std::string& whose) {
  return "ROOT: this looks like a detection data set of " + whose +
         ", which is not read here; export it as COCO (data.format = \"coco\") or VOC, or make one "
         "folder per class";
}

const std::string kYolo = refusal("YOLO's (images/ beside labels/ with a .txt file per picture)");

}  // namespace

TEST_CASE("layouts: exports of boxes are refused by name, whatever the format is said to be") {
  for (const char* format : {"auto", "folder"}) {
    TemporaryFolder split_first, kind_first, cvat;
    split_first.write_picture("train/images/1.ppm", 1);
    split_first.write("train/labels/1.txt", "0 0.5 0.5 0.1 0.1");
    CHECK(error_of(split_first, format) == kYolo);
    kind_first.write_picture("images/train/1.ppm", 1);
    kind_first.write("labels/train/1.txt", "0 0.5 0.5 0.1 0.1");
    CHECK(error_of(kind_first, format) == kYolo);
    cvat.write_picture("images/1.ppm", 1);
    cvat.write("annotations.xml", "<annotations/>");
    CHECK(error_of(cvat, format) == refusal("CVAT's (images/ beside annotations.xml)"));
  }
  TemporaryFolder classes;  // two classes that happen to have these names
  classes.write_picture("train/images/1.ppm", 1);
  classes.write_picture("train/labels/2.ppm", 2);
  CHECK(error_of(classes) == "no error");
}

TEST_CASE("layouts: folders for splits are no classes, whatever word and case they are in") {
  for (const auto& [train, val, test] : std::vector<std::array<std::string, 3>>{
           {"train", "valid", "test"}, {"Training", "Validation", "TESTING"},
           {"TRAIN", "dev", "tst"}}) {
    TemporaryFolder folder;
    for (const std::string& picture : {train + "/cat/1", train + "/dog/2", val + "/dog/3",
                                       test + "/cat/4"}) {
      folder.write_picture(picture + ".ppm", picture.back());
    }
    const DataOptions options = options_for(folder.path());
    CHECK(format_of(options).name == "folder");
    const Splits splits = open_splits(options);
    CHECK(splits.train->class_names() == Strings{"cat", "dog"});
    CHECK(splits.train->size() == 2);
    CHECK(splits.train->notes().empty());
    REQUIRE(splits.val->size() == 1);
    CHECK(splits.val->source(0) == val + "/dog/3.ppm");
    CHECK(open_dataset(options, "test")->source(0) == test + "/cat/4.ppm");
  }
  // Beside the classes.
  TemporaryFolder folder;
  for (const char* picture : {"cat/1.ppm", "dog/2.ppm", "Test/cat/3.ppm", "more/dog/4.ppm"}) {
    folder.write_picture(picture, 1);
  }
  DataOptions options = options_for(folder.path());
  options.val = "more";
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names() == Strings{"cat", "dog"});
  REQUIRE(splits.train->notes().size() == 1);
  CHECK(splits.train->notes()[0].ends_with(": 2 folders of other splits: Test, more"));
  folder.write_picture("Val/5.ppm", 1);
  CHECK(error_of(folder) ==
        "ROOT/Val: a class or a split? If it is a class, set data.train = \".\", the root; if it "
        "is a split, give it one folder per class or move it elsewhere");
  folder.write_picture("Valid/cat/6.ppm", 1);
  fs::rename(folder.path() / "Val", folder.path() / "VALIDATION");
  const auto val_error = [&] {
    return message_of<DataError>([&] { open_dataset(options_for(folder.path()), "val"); },
                                 folder.path());
  };
  CHECK(val_error() ==
        "ROOT: several folders for split 'val', VALIDATION and Valid; name one in data.val");
  folder.write_picture("val/dog/7.ppm", 1);
  CHECK(val_error() == "no error");  // the very name
}

TEST_CASE("layouts: pictures outside the class folders are counted") {
  TemporaryFolder folder;
  for (const char* picture : {"train/cat/1.ppm", "train/2.ppm", "train/3.PPM", "train/.4.ppm"}) {
    folder.write_picture(picture, 1);
  }
  folder.write("train/notes.txt", "x");
  const auto notes = open_dataset(options_for(folder.path()), "train")->notes();
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].ends_with("train: left out: 2 outside the class folders (2.ppm, ...)"));
}

TEST_CASE("layouts: detection answers for any folder, without an error") {
  TemporaryFolder boxes, closed;
  boxes.write_picture("images/1.ppm", 1);
  boxes.write("labels/1.txt", "0 0.5 0.5 0.1 0.1");
  boxes.write("labels_train.csv", "path,label\nimages/1.ppm,x\n");
  closed.write_picture("cat/1.ppm", 1);
  closed.write_picture("lost+found/2.ppm", 1);
  const fs::path secret[] = {closed.path() / "lost+found", closed.path() / "annotations",
                             closed.path() / "VOCdevkit", closed.path() / "cifar-100-binary"};
  for (const fs::path& path : secret) {
    fs::create_directory(path);
    fs::permissions(path, fs::perms::none);  // which does not stop root
  }
  for (const TemporaryFolder* folder : {&boxes, &closed}) {
    for (const DataFormat* format : data_formats()) {
      CAPTURE(format->name);
      const DataOptions options = options_for(folder->path());
      CHECK_NOTHROW(format->detect != nullptr && format->detect(options));
    }
    CHECK(format_of(options_for(folder->path())).name == "folder");
  }
  CHECK(error_of(boxes) == kYolo);
  for (const fs::path& path : secret) {
    fs::permissions(path, fs::perms::owner_all);
  }
}

TEST_CASE("layouts: a class called train") {
  TemporaryFolder folder;
  for (const char* name : {"car", "person", "train"}) {
    folder.write_picture(fs::path(name) / "1.ppm", 1);
  }
  CHECK(error_of(folder, "folder") ==
        "ROOT/train: no folder per class in it; if 'train' is itself a class beside others, set "
        "data.train = \".\", the root");
  DataOptions options = options_for(folder.path());
  options.train = ".";
  CHECK(open_dataset(options, "train")->class_names() ==
        std::vector<std::string>{"car", "person", "train"});
}

TEST_CASE("layouts: classes beside a class called train that has folders of its own") {
  TemporaryFolder folder;
  for (const char* name : {"Bus/1", "Car/2", "Train/electric/3", "Train/steam/4", "Test/Bus/5"}) {
    folder.write_picture(std::string(name) + ".ppm", name[0] + name[4]);
  }
  DataOptions options = options_for(folder.path());
  const auto taken = open_dataset(options, "train");  // as a split, which is said
  CHECK(taken->class_names() == Strings{"electric", "steam"});
  REQUIRE(taken->notes().size() == 1);
  CHECK(taken->notes()[0].ends_with(": not used, since the training split is Train: Bus, Car"));
  options.train = ".";
  const auto all = open_dataset(options, "train");
  CHECK(all->class_names() == Strings{"Bus", "Car", "Train"});
  CHECK(all->size() == 4);
  REQUIRE(all->notes().size() == 1);  // it is still the test split
  CHECK(all->notes()[0].ends_with(": 1 folder of other splits: Test"));
  options.test = "Bus";
  CHECK(open_dataset(options, "train")->class_names() == Strings{"Car", "Test", "Train"});
}

TEST_CASE("layouts: what may have been meant instead of folders as classes is said") {
  TemporaryFolder folder;
  folder.write_picture("images/1.ppm", 1);
  folder.write_picture("Masks/1.ppm", 2);
  folder.write("tags.csv", "path,label\n1.ppm,sun\n");
  folder.write("classes.json", "{\"0\": \"sun\"}");
  const auto notes = open_dataset(options_for(folder.path()), "train")->notes();
  const std::string root = folder.path().native();
  CHECK(notes == Strings{
      root + ": classes.json in this folder is not read; data.format = \"coco\" reads it",
      root + ": tags.csv in this folder is not read; data.format = \"csv\" reads it",
      root + ": each folder is taken for a class: Masks, images; such folders usually hold the "
             "pictures of all classes"});
  folder.write_picture("sun/1.ppm", 3);
  CHECK(open_dataset(options_for(folder.path(), "folder"), "train")->notes().empty());
}

TEST_CASE("layouts: links to nothing and to themselves are left out and counted") {
  TemporaryFolder folder;
  folder.write_picture("cat/1.ppm", 1);
  folder.write_picture("dog/2.ppm", 2);
  fs::create_symlink("away", folder.path() / "cow");
  fs::create_symlink("test", folder.path() / "test");
  const auto data = open_dataset(options_for(folder.path()), "train");
  CHECK(data->class_names() == Strings{"cat", "dog"});
  REQUIRE(data->notes().size() == 1);
  CHECK(data->notes()[0].ends_with(": left out: 2 a link to nothing (cow, ...)"));
}

TEST_CASE("layouts: a split that lies deeper in a folder makes that folder no class") {
  TemporaryFolder folder;
  for (const char* name : {"cat/1", "dog/2", "holdout/v1/cat/3", "holdout/v1/dog/4"}) {
    folder.write_picture(std::string(name) + ".ppm", 1);
  }
  DataOptions options = options_for(folder.path());
  options.val = "holdout/v1";
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names() == Strings{"cat", "dog"});
  CHECK(splits.val->source(0) == "holdout/v1/cat/3.ppm");
}

TEST_CASE("layouts: without folders per class in it, val/ is no split, so a part of train is") {
  TemporaryFolder flat, classes;
  for (int i = 0; i < 8; ++i) {
    const std::string name = std::to_string(i) + ".ppm";
    for (const char* place : {"train/cat/", "train/dog/", "val/"}) {
      flat.write_picture(place + name, i);
    }
    for (const char* place : {"valid/", "dev/", "car/"}) {
      classes.write_picture(place + name, i);
    }
  }
  DataOptions options = options_for(flat.path());
  CHECK(message_of<DataError>([&] { open_splits(options); }, flat.path()) ==
        "ROOT/val: no pictures, expected one folder per class with pictures in it; left out: 8 "
        "outside the class folders (0.ppm, ...)" + kOrAPart);
  options.val_fraction = 0.25;
  CHECK(open_splits(options).val->size() == 4);
  options.val = "val";
  options.val_fraction = 0;
  CHECK(message_of<DataError>([&] { open_splits(options); }).find(kOrAPart) == std::string::npos);
  options = options_for(classes.path());
  options.train = ".";
  options.val_fraction = 0.25;
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names() == Strings{"car", "dev", "valid"});
  CHECK(splits.val->size() == 6);
}

}  // namespace mld::test
