// COCO annotation files as tools and data frames write them, and the places of their pictures.
#include "data/formats/coco.h"

#include <array>

#include "data/formats/format.h"
#include "data/formats/open.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

CocoAnnotations read(const std::string& json) {
  CocoAnnotations coco =
      read_coco({reinterpret_cast<const uint8_t*>(json.data()), json.size()}, "a.json");
  index_coco(coco);
  return coco;
}

std::string error_of(const std::string& json) {
  return message_of<DataError>([&] { read(json); });
}

// Two pictures, a.ppm and b.ppm, of which the first shows a cat; ids and area as they are written.
std::string file(const std::string& first_id, const std::string& other_id,
                 const std::string& category_id, const std::string& used_category,
                 const std::string& area = "1") {
  return R"({"images": [{"id": )" + first_id + R"(, "file_name": "a.ppm"}, {"id": )" + other_id +
         R"(, "file_name": "b.ppm"}], "annotations": [{"image_id": )" + first_id +
         R"(, "category_id": )" + used_category + R"(, "area": )" + area +
         R"(, "bbox": [0, NaN, -Infinity, 1]}], "categories": [{"id": )" + category_id +
         R"(, "name": "cat"}]})";
}

std::string named(const std::string& first, const std::string& second) {
  std::string text = file("1", "2", "7", "7");
  text.replace(text.find("a.ppm"), 5, first);
  return text.replace(text.find("b.ppm"), 5, second);
}

DataOptions coco_options(const TemporaryFolder& folder) {
  DataOptions options;
  options.root = folder.path();
  options.format = "coco";
  options.unlabelled = Unlabelled::keep;
  return options;
}

Strings sources(const TemporaryFolder& folder, const std::string& split = "train") {
  const auto data = open_dataset(coco_options(folder), split);
  Strings found;
  for (int64_t i = 0; i < data->size(); ++i) {
    data->probe(i);
    found.push_back(data->source(i));
  }
  return found;
}

}  // namespace

TEST_CASE("coco: ids that are whole numbers with a point, or texts") {
  for (const auto& [first, other, category, used] : std::vector<std::array<const char*, 4>>{
           {"1", "2", "7", "7"},
           {"1.0", "2.0", "7", "7.0"},
           {"1e0", "2", "7", "0.7e1"},
           {R"("frame_1")", R"("frame_2")", "7", "7"},
           {R"("1")", "2", "7", R"("7")"},
           {R"("007")", "7", R"("cat")", R"("cat")"}}) {
    CAPTURE(first);
    const CocoAnnotations coco = read(file(first, other, category, used));
    const CocoIndex index = index_coco(coco);
    CHECK(coco.images.size() == 2);
    CHECK(index.annotated == 1);
    CHECK(coco.images[static_cast<size_t>(index.order[0])].file_name == "a.ppm");
  }
  CHECK(read(R"({"images": [], "annotations": [], "categories": [{"id": "x", "name": "y"}]})")
            .categories[0].id < CocoAnnotations::kLeastId);
  CHECK(error_of(file("1", R"("1")", "7", "7")).ends_with("images[1]: id 1 occurs twice"));
  CHECK(error_of(file(R"("x")", R"("x")", "7", "7")).ends_with("images[1]: id 'x' occurs twice"));
  CHECK(error_of(file(R"("x")", "1", "7", R"("dog")")) ==
        "a.json: annotations[0] has category_id 'dog', which is not in categories");
  CHECK(error_of(file("1.5", "2", "7", "7"))
            .ends_with("images[0].id is a number, expected an integer or a string"));
  CHECK(error_of(file("-9223372036854775808", "2", "7", "7"))
            .ends_with("images[0].id is a number, expected an integer or a string"));
}

TEST_CASE("coco: NaN and Infinity are passed over, except as ids") {
  for (const char* area : {"NaN", "Infinity", "null", "\"x\""}) {
    CAPTURE(area);
    CHECK(read(file("1", "2", "7", "7", area)).annotations[0].size_row == 2);
  }
  CHECK(read(file("1", "2", "7", "7", "1000")).annotations[0].size_row == 0);
  CHECK(read(file("1", "2", "7", "7", "-Infinity")).annotations[0].size_row == 0);
  CHECK(error_of(file("NaN", "2", "7", "7"))
            .ends_with("images[0].id is a number, expected an integer or a string"));
}

TEST_CASE("coco: a byte order mark is skipped, UTF-16 refused by name") {
  const std::string text = file("1", "2", "7", "7");
  CHECK(read("\xEF\xBB\xBF" + text).images.size() == 2);
  const std::string wide("{\0\"\0", 4);
  for (const std::string& start : {"\xFF\xFE" + wide, wide}) {
    CHECK(error_of(start).starts_with("a.json: UTF-16 or UTF-32 text, expected UTF-8; "));
  }
  TemporaryFolder folder;
  folder.write("a.json", "\xEF\xBB\xBF" + text);
  CHECK(read_coco(folder.path() / "a.json").images.size() == 2);
  folder.write("a.json", "\xEF\xBB\xBF{,");
  CHECK(message_of<DataError>([&] { read_coco(folder.path() / "a.json"); }, folder.path()) ==
        "ROOT/a.json: byte 4: Missing a name for object member.");
}

TEST_CASE("coco: one file under two ids is one picture with the labels of both") {
  TemporaryFolder folder;
  folder.write("annotations/instances_train.json",
               R"({"images": [{"id": 1, "file_name": "a.ppm"}, {"id": 2, "file_name": "./a.ppm"}],
                   "annotations": [{"image_id": 1, "category_id": 1},
                                   {"image_id": 2, "category_id": 2}],
                   "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]})");
  folder.write_picture("train/a.ppm", 1);
  const auto data = open_dataset(coco_options(folder), "train");
  REQUIRE(data->size() == 1);
  CHECK(data->labels(0).size() == 2);
  REQUIRE(data->notes().size() == 1);
  CHECK(data->notes()[0].ends_with(
      "instances_train.json: 1 image names the file of an earlier one; their labels are merged"));
}

TEST_CASE("coco: file names from Windows, absolute ones, ones without an ending") {
  const auto with = [](std::string folder_name, const char* ending, const std::string& place) {
    TemporaryFolder folder;
    folder.write_picture(place + "a.ppm", 1);
    folder.write_picture(place + "b.ppm", 2);
    if (folder_name[0] == '@') {
      folder_name.replace(0, 1, folder.path().native());
    }
    folder.write("annotations/instances_train.json",
                 named(folder_name + "a" + ending, folder_name + "b" + ending));
    return sources(folder) == Strings{place + "a.ppm", place + "b.ppm"};
  };
  CHECK(with("cam\\\\", ".ppm", "train/cam/"));
  CHECK(with("@/train/", ".ppm", "train/"));
  CHECK(with("", "", "train/"));
  TemporaryFolder folder;
  folder.write("annotations/instances_train.json", named("a.ppm", "b.ppm"));
  const auto notes = open_dataset(coco_options(folder), "train")->notes();
  CHECK(notes.back().ends_with("none of the first pictures was found"));
}

TEST_CASE("coco: where tools put the annotation file") {
  const auto with = [](const char* train, const std::string& pictures) {
    TemporaryFolder folder;
    folder.write(train, named("a.ppm", "b.ppm"));
    folder.write_picture(pictures + "a.ppm", 1);
    folder.write_picture(pictures + "b.ppm", 2);
    DataOptions options = coco_options(folder);
    options.format = "auto";
    return format_of(options).name == "coco" &&
           sources(folder) == Strings{pictures + "a.ppm", pictures + "b.ppm"};
  };
  CHECK(with("train.json", "images/"));
  CHECK(with("train_coco.json", "images/"));
  CHECK(with("TRAIN.JSON", "images/"));
  CHECK(with("annotations/instances_Train.json", "images/"));
  CHECK(with("annotations/train_annotations.json", "images/"));
  CHECK(with("annotations/instances_train2017.json", "train2017/"));
  CHECK(with("annotations/instances_default.json", "images/"));       // CVAT
  CHECK(with("result.json", "images/"));                              // Label Studio
  CHECK(with("labels.json", "data/"));                                // FiftyOne
  CHECK(with("train/labels.json", "train/data/"));                    // FiftyOne, by split
  CHECK(with("train/_annotations.coco.json", "train/"));              // Roboflow
  TemporaryFolder folder;
  folder.write("labels.json", named("a.ppm", "b.ppm"));
  CHECK(message_of<DataError>([&] { open_dataset(coco_options(folder), "val"); }, folder.path()) ==
        "ROOT: no COCO annotations for split 'val': looked for annotations/instances_val*.json, "
        "found labels.json; name the file in data.val" + kOrAPart);
  folder.write("annotations/instances_Test.json", named("a.ppm", "b.ppm"));
  folder.write("val_results.json", "[]");
  folder.write("val.json", named("a.ppm", "b.ppm"));
  CHECK(open_dataset(coco_options(folder), "val")->size() == 2);  // the very name
  fs::remove(folder.path() / "val.json");
  fs::remove(folder.path() / "val_results.json");
  CHECK(message_of<DataError>([&] { open_dataset(coco_options(folder), "val"); }, folder.path()) ==
        "ROOT: no COCO annotations for split 'val': looked for annotations/instances_val*.json, "
        "found annotations/instances_Test.json, labels.json; name the file in data.val" + kOrAPart);
}

TEST_CASE("coco: a JSON file of another kind does not make other data COCO") {
  const auto detected = [](const char* name, const std::string& json, const char* other) {
    TemporaryFolder folder;
    folder.write(name, json);
    folder.write_picture("train/cat/a.ppm", 1);
    folder.write(other, "path,label\na.ppm,cat\n");
    return std::string(format_of(options_for(folder.path())).name);
  };
  const std::string names = R"({"0": "cat", "1": "dog"})", records = R"([{"images": "a.ppm",
    "annotations": ["cat"], "categories": 1}])";
  for (const char* name : {"labels.json", "train.json", "annotations/classes.json",
                           "train/labels.json"}) {
    CAPTURE(name);
    CHECK(detected(name, names, "notes.txt") == "folder");
    CHECK(detected(name, names, "train.csv") == "csv");
    CHECK(detected(name, records, "notes.txt") == "folder");
    std::string coco = named("a.ppm", "b.ppm");
    CHECK(detected(name, coco, "train.csv") == "coco");
    CHECK(detected(name, "\xEF\xBB\xBF" + coco, "notes.txt") == "coco");
    coco.insert(coco.find("a.ppm"), std::string(100'000, 'x'));  // other lists come later
    CHECK(detected(name, R"({"info": {},)" + coco.substr(1), "notes.txt") == "coco");
    std::string wide = "\xFF\xFE";
    for (const char c : named("a.ppm", "b.ppm")) {
      wide += {c, '\0'};
    }
    CHECK(detected(name, wide, "notes.txt") == "coco");  // to be refused as UTF-16
    CHECK(detected(name, R"({"classes": ["a"], "labels": {"1": 0}})", "notes.txt") == "coco");
  }
  CHECK(detected("annotations/instances_train.json", "{", "train.csv") == "coco");
}

TEST_CASE("coco: annotations that cannot be read are an error, not a reason to read folders") {
  const auto opened = [](const char* name, const std::string& text) {
    TemporaryFolder folder;
    folder.write_picture("images/a.ppm", 1);
    folder.write(name, text);
    return message_of<DataError>([&] { open_dataset(options_for(folder.path()), "train"); },
                                 folder.path());
  };
  for (const char* name : {"labels.json", "train.json", "annotations/x.json"}) {
    const std::string where = std::string("ROOT/") + name + ": ";
    for (const char* text : {"", " \n", "<!DOCTYPE html><html></html>", "gone",
                             "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"}) {
      CAPTURE(text);
      CHECK(opened(name, text).starts_with(where));
    }
  }
  TemporaryFolder links, crowded;
  links.write_picture("images/a.ppm", 1);
  fs::create_symlink("away.json", links.path() / "labels.json");
  CHECK(message_of<DataError>([&] { open_dataset(options_for(links.path()), "train"); },
                              links.path()) ==
        "ROOT/labels.json: cannot open: No such file or directory");
  std::string categories = "{\"categories\": [";
  for (int i = 0; i < 2000; ++i) {
    categories += fmt::format("{{\"id\": {}, \"name\": \"class {}\"}}, ", i, i);
  }
  crowded.write("labels.json", categories);
  for (int i = 0; i < 20; ++i) {
    crowded.write(fmt::format("annotations/{}_train.json", i), "{}");
  }
  crowded.write_picture("cat/a.ppm", 1);
  CHECK(format_of(options_for(crowded.path())).name == "coco");
  crowded.write("labels.json", "{\"categories\": [{\"id\": 1, \"name\": \"cat\"}]}");
  CHECK(format_of(options_for(crowded.path())).name == "folder");  // a list of classes
}

TEST_CASE("coco: categories of one name are one class") {
  TemporaryFolder folder;
  folder.write("train/_annotations.coco.json",
               R"({"images": [{"id": 1, "file_name": "a.ppm"}, {"id": 2, "file_name": "b.ppm"}],
                   "annotations": [{"image_id": 1, "category_id": 0},
                                   {"image_id": 2, "category_id": 1}],
                   "categories": [{"id": 0, "name": "pothole", "supercategory": "none"},
                                  {"id": 1, "name": "pothole", "supercategory": "pothole"}]})");
  const auto data = open_dataset(coco_options(folder), "train");
  CHECK(data->class_names() == Strings{"pothole"});
  CHECK(count(*data, 0, Label::present) == 2);
  CHECK(data->notes()[0].ends_with(
      "json: several categories have one name, each name is one class: pothole"));
}

TEST_CASE("coco: other programs' JSON is named") {
  CHECK(error_of(R"({"classes": ["a"], "labels": {"1": 0}})") ==
        "a.json: no \"images\" list, expected a COCO annotation file with images, annotations and "
        "categories; this seems to be FiftyOne's own format: export the labels as COCO, or set "
        "data.format if the labels are elsewhere");
  CHECK(error_of(R"({"shapes": [], "imagePath": "a.png"})").find("LabelMe's") !=
        std::string::npos);
  CHECK(error_of(R"({"info": {}})")
            .ends_with("annotations and categories; if this is no COCO data, set data.format"));
}

}  // namespace mld::test
