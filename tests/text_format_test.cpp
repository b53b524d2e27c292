// Pictures with a text file of labels each; and folders with a text file of class names.
#include "tests/tiny_data.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

void write_pair(const TemporaryFolder& folder, const std::string& stem, const std::string& text) {
  folder.write_picture("images/" + stem + ".ppm", stem.back());
  folder.write("labels/" + stem + ".txt", text);
}

std::string open_error(const TemporaryFolder& folder, const DataOptions& options) {
  return message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path());
}

// The labels of every sample: "a b|c|".
std::string labels_of(const Dataset& data) {
  std::string text;
  for (int64_t i = 0; i < data.size(); ++i) {
    for (const LabelEntry& entry : data.labels(i)) {
      text += (text.empty() || text.back() == '|' ? "" : " ") +
              data.class_names()[static_cast<size_t>(entry.column)];
    }
    text += "|";
  }
  return text;
}

}  // namespace

TEST_CASE("text: a line a label, several in a line, numbers of classes") {
  TemporaryFolder folder;
  folder.write("classnames.txt", "sea side\ncat\ndog\n");
  write_pair(folder, "a", "cat\nsea side\r\n\n");
  write_pair(folder, "b", "cat, dog\n");
  write_pair(folder, "c", "0 2\n");
  write_pair(folder, "deep/d", "2");
  write_pair(folder, "e", "");
  folder.write_picture("images/f.ppm", 1);
  DataOptions options = options_for(folder.path());
  const auto data = open_dataset(options, "train");
  CHECK(data->class_names() == Strings{"sea side", "cat", "dog"});
  CHECK(labels_of(*data) == "sea side cat|cat dog|sea side dog|dog|");
  CHECK(data->source(3) == "images/deep/d.ppm");
  CHECK(data->notes().back() == (folder.path() / "labels").native() +
                                    ": 1 picture without a text file");
  options.unlabelled = Unlabelled::keep;
  CHECK(open_dataset(options, "train")->size() == 6);
  CHECK(message_of<NoSplit>([&] { open_dataset(options, "val"); }).find("looked for images/val") !=
        std::string::npos);

  options.format = "text";
  const auto error = [&](const std::string& line) {
    folder.write("labels/a.txt", line);
    return open_error(folder, options);
  };
  CHECK(error("cat\ncow\n") == "ROOT/labels/a.txt: 'cow' is not among the 3 classes of "
                               "classnames.txt");
  CHECK(error("7") == "ROOT/labels/a.txt: '7' is not among the 3 classes of classnames.txt");
  CHECK(error("0 1 1") == "ROOT/labels/a.txt: '0 1 1' may be numbers of classes, or 1 and 0 for "
                          "each of them; write a class name a line");
  CHECK(error("0 0.5 0.5 0.25 0.25").starts_with("ROOT/labels/a.txt: '0 0.5 0.5 0.25 0.25' is a "
                                                 "box, as detection data sets of YOLO have them"));
  CHECK(error("\xff") == "ROOT/labels/a.txt: '\\xff' is not UTF-8");
}

TEST_CASE("text: splits by list, and lists that name missing pictures") {
  TemporaryFolder folder;
  folder.write("classes.txt", "cat\ndog\n");
  for (const char* stem : {"a", "b", "c"}) {
    write_pair(folder, stem, "cat");
  }
  folder.write("train.txt", "a.ppm\nimages/c\n");
  folder.write("valid.txt", "./b\n");
  const Splits splits = open_splits(options_for(folder.path()));
  CHECK(splits.train->size() == 2);
  CHECK(splits.train->source(1) == "images/c.ppm");
  CHECK(splits.val->source(0) == "images/b.ppm");
  folder.write("mine.txt", "a\n\nz.ppm\n");
  DataOptions options = options_for(folder.path());
  options.train = "mine.txt";
  CHECK(open_error(folder, options) ==
        "ROOT/mine.txt:3: 'z.ppm' is no picture in images/; write paths below it, a line each");
  folder.write("mine.txt", "a\na.ppm\n");
  CHECK(open_error(folder, options) == "ROOT/mine.txt:2: 'a.ppm' occurs twice");
  folder.write("mine.txt", "\n");
  CHECK(open_error(folder, options) == "ROOT/mine.txt: the list is empty");
  options.train = "";
  options.label_space = {.names = {"dog"}};
  CHECK(open_error(folder, options) ==
        "ROOT/labels: 1 class is not in the class list of 1: cat; every split must use the classes "
        "of the training split");
}

TEST_CASE("text: boxes are not taken for labels") {
  TemporaryFolder folder;
  folder.write("classes.txt", "cat\n");
  write_pair(folder, "a", "0 0.5 0.5 0.25 0.25\n");
  CHECK(message_of<DataError>([&] { open_dataset(options_for(folder.path()), "train"); })
            .find("this looks like a detection data set of YOLO's") != std::string::npos);
}

TEST_CASE("folder: ImageNet's layout, with the words for its folders") {
  TemporaryFolder folder;
  for (const char* name : {"n02012849", "n01440764", "n03126707", "n09999999"}) {
    folder.write_picture(fmt::format("train/{}/{}_1.JPEG", name, name), 1);
    folder.write_picture(fmt::format("val/{}/ILSVRC2012_val_1.JPEG", name), 2);
  }
  const auto names_of = [&] {
    return open_splits(options_for(folder.path())).val->class_names();
  };
  CHECK(names_of() == Strings{"n01440764", "n02012849", "n03126707", "n09999999"});
  folder.write("LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn02012849 crane\r\n"
                                         "n03126707 crane\nn01443537 goldfish\n");
  CHECK(names_of() == Strings{"tench, Tinca tinca", "crane (n02012849)", "crane (n03126707)",
                              "n09999999"});
  CHECK(label_of(*open_dataset(options_for(folder.path()), "val"), 1, 1) == Label::present);
}

}  // namespace mld::test
