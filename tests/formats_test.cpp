// Data formats on small folders made here, and CIFAR: layouts, names, memory.
#include "app/config_file.h"
#include "data/file.h"
#include "data/formats/coco.h"
#include "data/formats/csv.h"
#include "data/formats/voc.h"
#include "data/formats/format.h"
#include "tests/data_files.h"
#include "train/config_keys.h"

namespace mld::test {

TEST_CASE("formats: what the config and its help know of formats is the table") {
  const Key* key = find_key("data", "format");
  REQUIRE(key != nullptr);
  REQUIRE(key->choices.size() == data_formats().size() + 1);
  CHECK(key->choices[0] == "auto");
  const std::string help = help_config("data");
  for (size_t i = 0; i < data_formats().size(); ++i) {
    const DataFormat& format = *data_formats()[i];
    CHECK(key->choices[i + 1] == format.name);
    CHECK(help.find(fmt::format("\n  {:<11} {}\n", format.name, format.looks_like)) !=
          std::string::npos);
    CHECK(help.find(format.splits) != std::string::npos);
    CHECK(&format_of(options_for(source_dir(), std::string(format.name))) == &format);
  }
}

// By how much action() raised this process's peak of memory, in KiB; -1 if the system does not
// reset the peak, or AddressSanitizer keeps freed memory.
template <class Action>
static int64_t peak_of(Action&& action) {
#if defined(__SANITIZE_ADDRESS__)
  action();
  MESSAGE("SKIPPED: AddressSanitizer keeps freed memory, so the peak says nothing");
  return -1;
#endif
  const auto field = [](const char* name) -> int64_t {
    for (const std::string& line : lines_of("/proc/self/status")) {
      if (line.starts_with(name)) {
        return std::stoll(line.substr(std::string(name).size() + 1));
      }
    }
    return 0;
  };
  std::ofstream("/proc/self/clear_refs") << "5";  // resets the peak
  const int64_t before = field("VmRSS:");
  if (field("VmHWM:") > before + 8000) {
    MESSAGE("SKIPPED: the system does not reset the peak");
    return -1;
  }
  action();
  return field("VmHWM:") - before;
}

TEST_CASE("csv: of a wide list only a million fields are kept to find its layout") {
  std::string text = "path", zeros;
  for (int c = 0; c < 5000; ++c) {
    text += ",c" + std::to_string(c);
    zeros += ",0";
  }
  for (int row = 0; row < 1000; ++row) {
    text += "\np" + std::to_string(row) + ".png,1" + zeros.substr(2);
  }
  // All of the first thousand records would take 160 MB.
  CHECK(peak_of([&] { CHECK(parse_label_csv(text, "a.csv").rows.size() == 1000); }) < 80'000);
}

TEST_CASE("coco: a large file is read in little memory") {
  TemporaryFolder folder;
  std::string polygon;
  for (int i = 0; i < 4000; ++i) {
    polygon += (i > 0 ? ", " : "") + std::to_string(i) + ".25";
  }
  {
    std::ofstream out(folder.path() / "big.json");
    out << R"({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [)";
    for (int i = 0; i < 1500; ++i) {
      out << (i > 0 ? ", " : "") << R"({"image_id": 1, "category_id": 1, "area": 2000.5, )"
          << R"("segmentation": [[)" << polygon << "]]}";
    }
    out << R"(], "categories": [{"id": 1, "name": "a"}]})";
  }
  CHECK(fs::file_size(folder.path() / "big.json") > 40'000'000);
  CHECK(peak_of([&] {
          const CocoAnnotations coco = read_coco(folder.path() / "big.json");
          CHECK(coco.annotations.size() == 1500);
          CHECK(coco.annotations[0].size_row == 1);
        }) < 4000);
}

TEST_CASE("cifar: CIFAR-10 with any number of records, CIFAR-100's second label byte") {
  const fs::path ten = shared_data("cifar10-mini"), hundred = shared_data("cifar100-one-record");
  if (ten.empty() || hundred.empty()) {
    return;
  }
  constexpr int64_t kTrain[] = {517, 524, 490, 493, 537, 475, 503, 516, 529, 501};
  constexpr int64_t kTest[] = {105, 93, 100, 104, 92, 87, 114, 102, 110, 110};
  const Splits splits = open_splits(options_for(ten));
  CHECK(splits.train->size() == 5085);
  CHECK(splits.val->size() == 1017);
  CHECK(splits.train->class_names()[9] == "truck");
  for (size_t k = 0; k < 10; ++k) {
    CHECK(count(*splits.train, k, Label::present) == kTrain[k]);
    CHECK(count(*splits.val, k, Label::present) == kTest[k]);
  }
  // Sample 2000 is record 983 of the second file.
  CHECK(splits.train->source(2000) == "data_batch_2.bin:983");
  const std::string file =
      read_text_file(ten / "cifar-10-batches-bin/data_batch_2.bin", int64_t{1} << 30);
  const std::string record = file.substr(size_t{983} * 3073, 3073);
  CHECK(label_of(*splits.train, 2000, static_cast<size_t>(record[0])) == Label::present);
  const Image image = splits.train->load(2000);
  bool equal = image.width == 32 && image.height == 32;
  for (int c = 0; c < 3 && equal; ++c) {
    for (int i = 0; i < 1024; ++i) {
      const auto pixel = static_cast<uint8_t>(record[static_cast<size_t>(1 + c * 1024 + i)]);
      equal = equal && image.pixel(i % 32, i / 32)[c] == pixel;
    }
  }
  CHECK(equal);

  const auto one = open_dataset(options_for(hundred), "train");
  CHECK(one->size() == 1);
  CHECK(one->class_names().size() == 100);
  CHECK(one->class_names()[19] == "cattle");
  CHECK(label_of(*one, 0, 19) == Label::present);
  const Image cattle = one->load(0);
  CHECK(cattle.pixel(0, 0)[0] == 0);
}

TEST_CASE("folder: one folder per class, nested, interleaved, other files noted") {
  TemporaryFolder folder;
  folder.write_picture("train/cat/b.ppm", 2);
  folder.write_picture("train/cat/a.PPM", 1);
  folder.write_picture("train/dog/deep/er/c.ppm", 3);
  folder.write_picture("train/dog/.hidden.ppm", 9);
  folder.write("train/dog/notes.txt", "x");
  fs::create_directories(folder.path() / "train/empty");
  folder.write_picture("valid/dog/d.ppm", 4);
  const DataOptions options = options_for(folder.path());
  CHECK(format_of(options).name == "folder");
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names() == std::vector<std::string>{"cat", "dog"});
  REQUIRE(splits.train->size() == 3);
  CHECK(splits.train->source(0) == "train/cat/a.PPM");
  CHECK(splits.train->source(1) == "train/dog/deep/er/c.ppm");
  CHECK(splits.train->source(2) == "train/cat/b.ppm");
  CHECK(splits.train->load(1).rgb[0] == 3);
  REQUIRE(splits.train->notes().size() == 2);
  CHECK(splits.train->notes()[0].ends_with(
      ": left out: 1 hidden (dog/.hidden.ppm), 1 not a picture (dog/notes.txt)"));
  CHECK(splits.train->notes()[1].ends_with("1 folder without pictures: empty"));
  REQUIRE(splits.val->size() == 1);
  CHECK(label_of(*splits.val, 0, 1) == Label::present);  // train's column of "dog"

  // Without a folder for training the root is the split.
  DataOptions flat = options_for(folder.path() / "train");
  CHECK(open_dataset(flat, "train")->source(0) == "cat/a.PPM");
  flat.val = ".";
  CHECK(open_dataset(flat, "val")->size() == 3);
}

TEST_CASE("file names need not be ASCII or UTF-8") {
  TemporaryFolder folder;
  const std::string latin = "caf\xe9.ppm", umlaut = "Übung 1.ppm";
  folder.write_picture(latin, 1);
  folder.write_picture(umlaut, 2);
  folder.write("data.csv", "path,labels\n" + latin + ",[a]\n\"" + umlaut + "\",\"[a, Éclair]\"\n");
  const auto csv = open_dataset(options_for(folder.path()), "train");
  REQUIRE(csv->size() == 2);
  CHECK(csv->source(0) == latin);
  CHECK(csv->load(0).rgb[0] == 1);
  CHECK(csv->load(1).rgb[0] == 2);
  CHECK(csv->class_names() == std::vector<std::string>{"a", "Éclair"});
  fs::remove(folder.path() / latin);
  CHECK(message_of<DataError>([&] { csv->load(0); }, folder.path()) ==
        "ROOT/caf\\xe9.ppm: cannot open: No such file or directory");

  TemporaryFolder classes;
  classes.write_picture("train/Ähre/" + latin, 7);
  const auto data = open_dataset(options_for(classes.path()), "train");
  CHECK(data->class_names() == std::vector<std::string>{"Ähre"});
  CHECK(data->load(0).rgb[0] == 7);
}

TEST_CASE("voc: parts of objects are not objects, a class is difficult if all its objects are") {
  const std::vector<VocObject> objects = parse_voc(
      "<annotation><object><name>person</name><difficult>1</difficult>"
      "<part><name>head</name></part></object>\n"
      "<object><name> dog </name></object></annotation>",
      "a.xml");
  REQUIRE(objects.size() == 2);
  CHECK(objects[0].name == "person");
  CHECK(objects[0].difficult);
  CHECK(objects[1].name == "dog");
  CHECK(!objects[1].difficult);
}

TEST_CASE("voc: one object that is not difficult makes the class present, wherever it stands") {
  TemporaryFolder folder;
  const auto object = [](const std::string& name, bool difficult) {
    return "<object><name>" + name + "</name><difficult>" + (difficult ? "1" : "0") +
           "</difficult></object>";
  };
  const auto picture = [&](const std::string& id, const std::string& objects) {
    folder.write("Annotations/" + id + ".xml", "<annotation>" + objects + "</annotation>");
    folder.write_picture("JPEGImages/" + id + ".ppm", 1);
  };
  picture("easy_first", object("dog", false) + object("dog", true));
  picture("easy_last", object("dog", true) + object("dog", false));
  picture("easy_between", object("dog", true) + object("dog", false) + object("dog", true));
  picture("difficult", object("dog", true) + object("dog", true));
  picture("other", object("cat", false) + object("dog", true));
  folder.write("ImageSets/Main/val.txt", "easy_first\neasy_last\neasy_between\ndifficult\nother\n");
  const auto data = open_dataset(options_for(folder.path(), "voc"), "val");
  REQUIRE(data->class_names() == std::vector<std::string>{"cat", "dog"});
  std::vector<Label> dogs, cats;
  for (int64_t i = 0; i < data->size(); ++i) {
    cats.push_back(label_of(*data, i, 0));
    dogs.push_back(label_of(*data, i, 1));
  }
  constexpr Label P = Label::present, A = Label::absent, U = Label::unknown;
  CHECK(dogs == std::vector<Label>{P, P, P, U, U});
  CHECK(cats == std::vector<Label>{A, A, A, A, P});  // a difficult dog is no difficult cat
}

}  // namespace mld::test
