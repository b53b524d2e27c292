// Open Images' labels: of people and of a classifier, and those that nobody has looked for.
#include "data/formats/open_images.h"
#include "data/loader.h"
#include "tests/tiny_data.h"

namespace mld::test {
namespace {

constexpr const char* kHeader = "ImageID,Source,LabelName,Confidence\n";

std::string error_of(const std::string& text) {
  return message_of<DataError>([&] {
    read_open_images(text, "a.csv", [](const OpenImagesRow&) {});
  });
}

// Three pictures; p3 has only a classifier's labels.
void write_small(const TemporaryFolder& folder) {
  for (const char* name : {"p1", "p2", "p3", "p4"}) {
    folder.write_picture(fmt::format("train/{}.ppm", name), name[1]);
  }
  folder.write("oidv6-class-descriptions.csv", "LabelName,DisplayName\n/m/1,cat\n/m/2,dog\n"
                                               "/m/3,crane\n/m/4,crane\n");
  folder.write("train-annotations-human-imagelabels.csv",
               std::string(kHeader) + "p1,verification,/m/1,1\np1,verification,/m/2,0\n"
                                      "p2,crowdsource-verification,/m/3,1.0\n"
                                      "p2,crowdsource-verification,/m/3,0\n"
                                      "p9,verification,/m/1,1\np9,verification,/m/2,1\n");
  folder.write("train-annotations-machine-imagelabels.csv",
               std::string(kHeader) + "p1,machine,/m/2,0.9\np1,machine,/m/3,0.4\n"
                                      "p3,machine,/m/4,0.8\n");
}

// "cat:1 dog:0 crane:?", the classes that sample i lists.
std::string listed(const Dataset& data, int64_t i) {
  std::string text;
  for (const LabelEntry& entry : data.labels(i)) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ",
                        data.class_names()[static_cast<size_t>(entry.column)],
                        entry.label == Label::present  ? "1"
                        : entry.label == Label::absent ? "0"
                                                       : "?");
  }
  return text;
}

}  // namespace

TEST_CASE("open images: present, absent, and what nobody has looked for") {
  TemporaryFolder folder;
  write_small(folder);
  DataOptions options = options_for(folder.path());
  options.untagged_weight = 0.25;
  const auto train = open_dataset(options, "train", Purpose::training);
  CHECK(train->class_names() == std::vector<std::string>{"cat", "crane (/m/3)", "dog"});
  REQUIRE(train->size() == 2);
  CHECK(train->source(0) == "train/p1.ppm");
  CHECK(listed(*train, 0) == "cat:1 dog:0");
  CHECK(listed(*train, 1) == "crane (/m/3):1");
  CHECK(train->unlisted() == LabelEntry{.label = Label::absent, .weight = 0.25f});
  CHECK(train->notes().back() ==
        (folder.path() / "train-annotations-human-imagelabels.csv").native() + ": 4 pictures in " +
            (folder.path() / "train").native() + "; about 1 listed picture not there");
  LoaderOptions one_batch;
  one_batch.batch_size = 2;
  Loader loader(*train, one_batch);
  loader.start(0);
  const Batch batch = *loader.next();
  CHECK(batch.targets.to_vector() == std::vector<float>{1, 0, 0, 0, 1, 0});
  CHECK(batch.weights.to_vector() == std::vector<float>{1, 0.25f, 1, 0.25f, 1, 0.25f});
  // Evaluation counts only what somebody has looked for.
  const auto val = open_dataset(options, "train", Purpose::evaluation);
  CHECK(val->unlisted().label == Label::unknown);
  CHECK(listed(*val, 0) == "cat:1 dog:0");
  options.untagged_weight = 0;
  CHECK(open_dataset(options, "train")->unlisted().label == Label::unknown);
}

TEST_CASE("open images: a classifier's labels count from a confidence on, but not against people") {
  TemporaryFolder folder;
  write_small(folder);
  DataOptions options = options_for(folder.path());
  options.machine_confidence = 0.8;
  const auto train = open_dataset(options, "train", Purpose::training);
  REQUIRE(train->size() == 3);
  CHECK(listed(*train, 0) == "cat:1 dog:0");  // a person has seen no dog
  CHECK(listed(*train, 2) == "crane (/m/4):1");
  const auto val = open_dataset(options, "train", Purpose::evaluation);
  REQUIRE(val->size() == 3);
  CHECK(listed(*val, 0) == "cat:1 dog:0");
  CHECK(listed(*val, 2) == "crane (/m/4):?");
  options.machine_confidence = 0.3;
  CHECK(listed(*open_dataset(options, "train"), 0) == "cat:1 crane (/m/3):1 dog:0");
}

TEST_CASE("open images: trainable labels, other layouts, labels outside the class list") {
  TemporaryFolder folder;
  write_small(folder);
  DataOptions options = options_for(folder.path());
  options.label_space = {.names = {"dog", "cat"}};
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()) ==
        "ROOT/train-annotations-human-imagelabels.csv: 1 class is not in the class list of 2: "
        "crane (/m/3); every split must use the classes of the training split");
  options.label_space = {};
  folder.write("metadata/oidv6-classes-trainable.txt", "/m/2\n/m/1\n\n");
  const auto train = open_dataset(options, "train");
  CHECK(train->class_names() == std::vector<std::string>{"cat", "dog"});
  CHECK(train->size() == 1);
  CHECK(train->notes().back().ends_with("; 2 labels left out as not trainable"));
  CHECK(message_of<NoSplit>([&] { open_dataset(options, "test"); }, folder.path()) ==
        "ROOT: no Open Images labels for split 'test': looked for a .csv with the columns ImageID, "
        "LabelName and Confidence named after it; name the file in data.test");

  TemporaryFolder fiftyone;
  fiftyone.write_picture("validation/data/x.ppm", 1);
  fiftyone.write("validation/labels/classifications.csv",
                 std::string(kHeader) + "x,verification,/m/1,1\n");
  fiftyone.write("validation/metadata/classes.csv", "/m/1,cat\n");
  const auto val = open_dataset(options_for(fiftyone.path()), "val");
  CHECK(val->source(0) == "validation/data/x.ppm");
  CHECK(val->class_names() == std::vector<std::string>{"cat"});
  fiftyone.write("validation/labels/classifications.csv",
                 std::string(kHeader) + "y,verification,/m/1,1\n");
  CHECK(message_of<DataError>([&] { open_dataset(options_for(fiftyone.path()), "val"); },
                              fiftyone.path()) ==
        "ROOT/validation/labels/classifications.csv: none of its pictures is in "
        "ROOT/validation/data");
}

TEST_CASE("open images: bad lists") {
  const std::string header = kHeader;
  CHECK(error_of(header + "a,verification,/m/1,1\n") == "no error");
  CHECK(error_of("LabelName,Confidence,ImageID\n/m/1,0,a\n") == "no error");
  CHECK(error_of("") ==
        "a.csv: the file is empty, expected ImageID,Source,LabelName,Confidence");
  CHECK(error_of("ImageID,LabelName\n") ==
        "a.csv:1: no column confidence, expected ImageID,Source,LabelName,Confidence");
  CHECK(error_of(header + "a,verification,/m/1\n") ==
        "a.csv:2: 3 columns, expected 4 as in the first line");
  CHECK(error_of(header + "a,verification,/m/1,yes\n") ==
        "a.csv:2: confidence 'yes', expected a number from 0 to 1");
  CHECK(error_of(header + "a,machine,/m/1,1.5\n") ==
        "a.csv:2: confidence '1.5', expected a number from 0 to 1");
  CHECK(error_of(header + "a,machine,/m/1,nan\n") ==
        "a.csv:2: confidence 'nan', expected a number from 0 to 1");
  CHECK(error_of(header + "a,verification,/m/1,0.5\n") ==
        "a.csv:2: confidence 0.5 of a person, expected 1 (it is there) or 0 (it is not); a "
        "classifier's rows have the source machine");
  CHECK(error_of(header + "a,verification,,1\n") == "a.csv:2: an empty LabelName");
  CHECK(error_of(header + "a,verification,\xff,1\n") == "a.csv:2: label '\\xff' is not UTF-8");
  const auto names_error = [](const std::string& text) {
    return message_of<DataError>([&] { read_label_names(text, "c.csv"); });
  };
  CHECK(names_error("/m/1,cat\n") == "no error");
  CHECK(names_error("/m/1,cat\n/m/2\n") ==
        "c.csv:2: expected a label and its description, such as /m/01g317,Person");
}

}  // namespace mld::test
