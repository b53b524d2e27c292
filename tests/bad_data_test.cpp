// Every fault of a data set gives one message that names the place; each message has its test.
#include <sys/stat.h>

#include "data/formats/cifar.h"
#include "data/formats/coco.h"
#include "data/formats/open.h"
#include "data/formats/voc.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

// The error of opening a split below `folder`.
std::string open_error(const TemporaryFolder& folder, const std::string& format,
                       const std::string& split = "train", DataOptions options = {}) {
  options.root = folder.path();
  options.format = format;
  return message_of<DataError>([&] { open_dataset(options, split); }, folder.path());
}

std::string coco_error(const std::string& json) {
  return message_of<DataError>([&] {
    const CocoAnnotations coco =
        read_coco({reinterpret_cast<const uint8_t*>(json.data()), json.size()}, "a.json");
    index_coco(coco);
  });
}

// A COCO file made from the text of its three lists.
std::string coco_file(const std::string& images, const std::string& annotations,
                      const std::string& categories) {
  return R"({"images": [)" + images + R"(], "annotations": [)" + annotations +
         R"(], "categories": [)" + categories + "]}";
}

std::string voc_error(const std::string& xml) {
  return message_of<DataError>([&] { parse_voc(xml, "a.xml"); });
}

const std::string kImage = R"({"id": 1, "file_name": "a.ppm"})";
const std::string kAnnotation = R"({"image_id": 1, "category_id": 7})";
const std::string kCategory = R"({"id": 7, "name": "cat"})";

}  // namespace

TEST_CASE("bad data: no folder, an empty one, none of the formats") {
  TemporaryFolder folder;
  DataOptions options;
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }) ==
        "data.root is empty, expected the folder of the data; for the built-in data set use "
        "data.format = \"shapes\"");
  options.root = folder.path() / "none";
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()) ==
        "ROOT/none: no such folder (data.root)");
  CHECK(open_error(folder, "auto") == "ROOT: the folder is empty (data.root)");
  folder.write("readme.txt", "x");
  CHECK(open_error(folder, "auto") ==
        "ROOT: cannot tell the data's format: looked for annotations/*.json with COCO's lists "
        "(coco), Annotations and JPEGImages (voc), a .csv of ImageID, LabelName, Confidence "
        "(open_images), data.csv or train.csv (csv), data.jsonl, train.jsonl or metadata.jsonl "
        "(jsonl), (only if named) data.csv beside a JSON file with \"test class\" (nus_wide), "
        "*.tar shards (webdataset), batches.meta.txt or fine_label_names.txt (cifar), images/, "
        "labels/*.txt and classnames.txt (text), folders of pictures (folder); set data.format");
  options.root = folder.path() / "readme.txt";
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()) ==
        "ROOT/readme.txt: not a folder (data.root); give the folder that it is in");
  CHECK(open_error(folder, "coco") ==
        "ROOT: no COCO annotations for split 'train': looked for annotations/instances_train*.json"
        "; name the file in data.train");
  CHECK(open_error(folder, "voc") ==
        "ROOT: no VOC data: looked for the folders Annotations and JPEGImages here, in VOC* and in "
        "VOCdevkit/VOC*");
  CHECK(open_error(folder, "csv", "val") ==
        "ROOT: no CSV list for split 'val': looked for data.csv and val.csv; name the file in "
        "data.val" + kOrAPart);
  CHECK(open_error(folder, "cifar") ==
        "ROOT: no CIFAR data: looked for batches.meta.txt or fine_label_names.txt here, in "
        "cifar-10-batches-bin and in cifar-100-binary");
  CHECK(open_error(folder, "folder") ==
        "ROOT: no pictures, expected one folder per class with pictures in it");
  CHECK(open_error(folder, "folder", "val") ==
        "ROOT: no folder for split 'val'; make val/<class>/, or name the folder in data.val" +
            kOrAPart);
  CHECK(message_of<UsageError>([&] { open_dataset(options, "dev"); }) ==
        "split 'dev' is unknown, expected train, val or test");
  options.format = "vco";
  CHECK(message_of<UsageError>([&] { open_dataset(options, "train"); }) ==
        "data.format 'vco' is unknown, did you mean 'voc'?; expected one of auto, coco, voc, "
        "open_images, csv, jsonl, nus_wide, webdataset, cifar, text, folder, shapes");
}

TEST_CASE("bad data: a folder we may not read") {
  if (::geteuid() == 0) {
    MESSAGE("SKIPPED: root may read everything");
    return;
  }
  TemporaryFolder folder;
  folder.write_picture("train/cat/a.ppm", 1);
  ::chmod((folder.path() / "train").c_str(), 0);
  CHECK(open_error(folder, "folder").find("Permission denied") != std::string::npos);
  ::chmod((folder.path() / "train").c_str(), 0700);
}

TEST_CASE("bad data: COCO annotations") {
  CHECK(coco_error(coco_file(kImage, kAnnotation, kCategory)) == "no error");
  CHECK(coco_error("") == "a.json: byte 0: The document is empty.");
  CHECK(coco_error("{\"images\": [") == "a.json: byte 12: Invalid value.");
  CHECK(coco_error("{\"images\": [{\"id\": 1,}]}") ==
        "a.json: byte 21: Missing a name for object member.");
  CHECK(coco_error("[1]") ==
        "a.json: byte 0: the file holds an array, expected an object with images, annotations and "
        "categories");
  CHECK(coco_error("{\"images\": [], \"categories\": []}") ==
        "a.json: no \"annotations\" list, expected a COCO annotation file with images, annotations "
        "and categories; if this is no COCO data, set data.format");
  CHECK(coco_error("{\"images\": {}}") ==
        "a.json: byte 11: \"images\" is an object, expected an array");
  CHECK(coco_error("{\"images\": 5}") ==
        "a.json: byte 11: \"images\" is a number, expected an array");
  CHECK(coco_error("{\"images\": [], \"images\": []}") ==
        "a.json: byte 25: a second \"images\" list");
  CHECK(coco_error("{\"images\": [3]}") ==
        "a.json: byte 12: images[0] is a number, expected an object");
  CHECK(coco_error(coco_file(R"({"id": null})", "", "")) ==
        "a.json: byte 23: images[0].id is null, expected an integer or a string");
  CHECK(coco_error(coco_file(R"({"id": 1.5})", "", "")) ==
        "a.json: byte 19: images[0].id is a number, expected an integer or a string");
  CHECK(coco_error(coco_file(R"({"id": 99999999999999999999})", "", "")) ==
        "a.json: byte 19: images[0].id is a number, expected an integer or a string");
  CHECK(coco_error(coco_file(R"({"id": 1, "file_name": null})", "", "")) ==
        "a.json: byte 39: images[0].file_name is null, expected a string");
  CHECK(coco_error(coco_file(R"({"id": 1, "file_name": ["a"]})", "", "")) ==
        "a.json: byte 35: images[0].file_name is an array, expected a string");
  CHECK(coco_error(coco_file(R"({"id": 1})", "", "")) ==
        "a.json: byte 20: images[0] has no file_name");
  CHECK(coco_error(coco_file(kImage + "," + kImage, "", "")) ==
        "a.json: byte 74: images[1]: id 1 occurs twice");
  CHECK(coco_error(coco_file(kImage, kAnnotation, kCategory + "," + kCategory)).ends_with(
      "categories[1]: id 7 occurs twice"));
  CHECK(coco_error(coco_file(kImage, R"({"category_id": 7})", kCategory)).ends_with(
      "annotations[0] has no image_id"));
  CHECK(coco_error(coco_file(kImage, kAnnotation + R"(,{"image_id": 2, "category_id": 7})",
                             kCategory)) ==
        "a.json: annotations[1] belongs to image_id 2, which is not in images");
  CHECK(coco_error(coco_file(kImage, R"({"image_id": 1, "category_id": 8})", kCategory)) ==
        "a.json: annotations[0] has category_id 8, which is not in categories");
  const std::string deep(2000, '[');
  CHECK(coco_error("{\"info\": " + deep) ==
        "a.json: byte 1008: nested deeper than 1000 levels");
}

TEST_CASE("bad data: COCO folders") {
  TemporaryFolder folder;
  const auto with = [&](const std::string& images, const std::string& categories = kCategory) {
    folder.write("annotations/instances_train.json", coco_file(images, kAnnotation, categories));
    return open_error(folder, "coco");
  };
  CHECK(with(R"({"id": 1, "file_name": "/etc/passwd"})") ==
        "ROOT/annotations/instances_train.json: images[0]: path '/etc/passwd' is absolute, "
        "expected a path below the data folder");
  CHECK(with(R"({"id": 1, "file_name": "a/../../b.jpg"})") ==
        "ROOT/annotations/instances_train.json: images[0]: path 'a/../../b.jpg' contains '..', "
        "expected a path below the data folder");
  CHECK(with(R"({"id": 1, "file_name": ""})") ==
        "ROOT/annotations/instances_train.json: images[0]: empty path, expected the path of a "
        "picture");
  CHECK(with(R"({"id": 1, "file_name": "a\u0000b.jpg"})") ==
        "ROOT/annotations/instances_train.json: images[0]: path 'a\\x00b.jpg' holds a NUL byte, "
        "expected the path of a picture");
  CHECK(with(kImage, "{\"id\": 7, \"name\": \"c\xff\"}") ==
        "ROOT/annotations/instances_train.json: class name 'c\\xff' is not UTF-8");
  CHECK(with(kImage, R"({"id": 7, "name": ""})") ==
        "ROOT/annotations/instances_train.json: the name of class 0 is empty");
  CHECK(with(kImage) == "no error");

  DataOptions options;
  options.label_space.names = {"cats", "dog"};
  CHECK(open_error(folder, "coco", "train", options) ==
        "ROOT/annotations/instances_train.json: 1 class is not in the class list of 2: cat, did "
        "you mean 'cats'?; every split must use the classes of the training split");

  options.root = folder.path();
  options.label_space = {};
  const auto data = open_dataset(options, "train");
  CHECK(message_of<DataError>([&] { data->load(0); }, folder.path()) ==
        "ROOT/annotations/a.ppm: cannot open: No such file or directory");
  CHECK(message_of<DataError>([&] { data->probe(0); }, folder.path()) ==
        "ROOT/annotations/a.ppm: cannot open: No such file or directory");
  folder.write("annotations/a.ppm", "");
  CHECK(message_of<DataError>([&] { data->probe(0); }, folder.path()) ==
        "ROOT/annotations/a.ppm: the file is empty");
  folder.write("annotations/instances_train.json", coco_file("", "", kCategory));
  CHECK(open_error(folder, "coco") ==
        "ROOT/annotations/instances_train.json: no pictures");
  folder.write("annotations/instances_train.json", coco_file(kImage, "", kCategory));
  CHECK(open_error(folder, "coco") ==
        "ROOT/annotations/instances_train.json: none of the 1 picture has a label and "
        "data.unlabelled is \"drop\"");
  folder.write("annotations/instances_train2.json", coco_file(kImage, "", kCategory));
  CHECK(open_error(folder, "coco") ==
        "ROOT: several annotation files for split 'train', annotations/instances_train.json and "
        "annotations/instances_train2.json; name one in data.train");
}

TEST_CASE("bad data: links that leave the data folder") {
  TemporaryFolder folder, outside;
  outside.write_picture("secret.ppm", 9);
  folder.write_picture("images/inside.ppm", 1);
  fs::create_symlink(outside.path() / "secret.ppm", folder.path() / "images/a.ppm");
  fs::create_symlink(outside.path(), folder.path() / "images/away");
  fs::create_symlink("inside.ppm", folder.path() / "images/good.ppm");
  folder.write("data.csv", "path,labels\nimages/a.ppm,[x]\nimages/away/secret.ppm,[x]\n"
                           "images/good.ppm,[x]\n");
  DataOptions options;
  options.root = folder.path();
  const auto data = open_dataset(options, "train");
  CHECK(message_of<DataError>([&] { data->load(0); }, folder.path()) ==
        "ROOT/images/a.ppm: symbolic link to " + (outside.path() / "secret.ppm").string() +
            ", outside the data folder ROOT; copy the file, or point data.root at a folder that "
            "contains both");
  CHECK(message_of<DataError>([&] { data->load(1); }, folder.path())
            .starts_with("ROOT/images/away/secret.ppm: symbolic link to "));
  CHECK(data->load(2).rgb[0] == 1);
}

TEST_CASE("bad data: VOC annotations and lists") {
  CHECK(voc_error("<annotation><object></annotation>") ==
        "a.xml:1: malformed XML: Start-end tags mismatch");
  CHECK(voc_error("<annotation>\n<object>\n<name>a</name>\n") ==
        "a.xml:3: malformed XML: Start-end tags mismatch");
  CHECK(voc_error("") == "a.xml:1: malformed XML: No document element found");
  CHECK(voc_error("<html/>") == "a.xml:1: no <annotation> element, expected a VOC annotation");
  CHECK(voc_error("<annotation>\n<object><name/></object></annotation>") ==
        "a.xml:2: object without a <name>");
  CHECK(voc_error("<annotation><object><name>a</name>\n<difficult>yes</difficult></object>"
                  "</annotation>") == "a.xml:1: <difficult> is 'yes', expected 0 or 1");

  TemporaryFolder folder;
  const std::string cat = "<annotation><object><name>cat</name></object></annotation>";
  folder.write("Annotations/1.xml", cat);
  folder.write("Annotations/2.xml", "<annotation><object><name>dog</name></object></annotation>");
  folder.write_picture("JPEGImages/1.ppm", 1);
  folder.write("ImageSets/Main/train.txt", "1\n");
  folder.write("ImageSets/Main/cat_train.txt", "1 1\n");
  const auto with = [&](const std::string& list) {
    folder.write("ImageSets/Main/train.txt", list);
    return open_error(folder, "voc");
  };
  CHECK(with("1\n") == "no error");
  CHECK(with("1\n\n3\n") == "ROOT/ImageSets/Main/train.txt:3: id '3' has no annotation file "
                            "ROOT/Annotations/3.xml");
  CHECK(with("1\n1\n") == "ROOT/ImageSets/Main/train.txt:2: id '1' occurs twice");
  CHECK(with("../1\n") == "ROOT/ImageSets/Main/train.txt:1: path '../1' contains '..', expected a "
                          "path below the data folder");
  CHECK(with("/1\n") == "ROOT/ImageSets/Main/train.txt:1: path '/1' is absolute, expected a path "
                        "below the data folder");
  CHECK(with("\n") == "ROOT/ImageSets/Main/train.txt: no ids");
  CHECK(open_error(folder, "voc", "val") ==
        "ROOT/ImageSets/Main/val.txt: no such list for split 'val'; there is train; name one in "
        "data.val" + kOrAPart);
  folder.write("ImageSets/Main/train.txt", "1\n");
  folder.write("ImageSets/Main/val.txt", "1\n2\n");
  DataOptions options;
  options.label_space.names = {"cat"};
  CHECK(open_error(folder, "voc", "val", options) ==
        "ROOT/Annotations/2.xml: 1 class is not in the class list of 1: dog; every split must use "
        "the classes of the training split");
  folder.write("Annotations/1.xml", "<annotation>");
  CHECK(open_error(folder, "voc") ==
        "ROOT/Annotations/1.xml:1: malformed XML: Start-end tags mismatch");
}

TEST_CASE("bad data: CIFAR files") {
  TemporaryFolder folder;
  folder.write("batches.meta.txt", "cat\ndog\n\n");
  const auto with = [&](const std::string& bytes) {
    folder.write("data_batch_1.bin", bytes);
    return open_error(folder, "cifar");
  };
  const std::string record = '\1' + std::string(3072, 'x');
  CHECK(with(record) == "no error");
  CHECK(with("") == "ROOT/data_batch_1.bin: the file is empty, expected records of 3073 bytes");
  CHECK(with(record + record.substr(0, 5)) ==
        "ROOT/data_batch_1.bin: byte 3073: the last record has 5 of 3073 bytes; the file is "
        "truncated or not in CIFAR's binary format");
  CHECK(with(record + '\2' + std::string(3072, 'x')) ==
        "ROOT/data_batch_1.bin: byte 3073: label 2 in record 1, expected a label below 2");
  CHECK(open_error(folder, "cifar", "val") ==
        "ROOT: no test_batch.bin for split 'val'; name a .bin file in data.val" + kOrAPart);
  folder.write("batches.meta.txt", "cat\ncat\n");
  CHECK(with(record) == "ROOT/batches.meta.txt: class 'cat' is listed twice");
}

}  // namespace mld::test
