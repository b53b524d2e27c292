// Layouts that are not class folders: refused by name, or with the key to set.
#include "tests/data_files.h"

namespace mld::test {
namespace {

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

}  // namespace mld::test
