// VOC annotations in the encodings they declare, and lists as tools write them.
#include "data/formats/voc.h"

#include "data/formats/open.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

std::string annotation(const std::string& name, const std::string& declaration = "") {
  return declaration + "<annotation>\n<object><name>" + name + "</name></object></annotation>";
}

std::string name_in(const std::string& xml) { return parse_voc(xml, "a.xml").at(0).name; }

std::string error_of(const std::string& xml) {
  return message_of<DataError>([&] { parse_voc(xml, "a.xml"); });
}

// ASCII as UTF-16, little- or big-endian.
std::string wide(const std::string& text, bool little) {
  std::string out;
  for (const char c : text) {
    out += little ? std::string{c, '\0'} : std::string{'\0', c};
  }
  return out;
}

DataOptions voc_options(const TemporaryFolder& folder) {
  DataOptions options;
  options.root = folder.path();
  options.format = "voc";
  return options;
}

}  // namespace

TEST_CASE("voc: the encoding that a file declares, or shows, is honoured") {
  const auto declared = [](const std::string& encoding) {
    return "<?xml version=\"1.0\" encoding='" + encoding + "'?>";
  };
  CHECK(name_in(annotation("K\xe4se", declared("ISO-8859-1"))) == "Käse");
  CHECK(name_in(annotation("\x80", declared("windows-1252"))) == "€");
  CHECK(name_in(annotation("\xba\xec", declared("gb2312"))) == "红");
  CHECK(name_in(annotation("Käse", declared("UTF-8"))) == "Käse");
  CHECK(name_in("\xEF\xBB\xBF" + annotation("Käse", declared("ISO-8859-1"))) == "Käse");
  for (const bool little : {true, false}) {
    const std::string text = wide(annotation("cheese", declared("utf-16")), little);
    CHECK(name_in(text) == "cheese");
    CHECK(name_in((little ? "\xFF\xFE" : "\xFE\xFF") + text) == "cheese");
  }
  CHECK(name_in(annotation("cheese", declared("utf-16"))) == "cheese");  // some programs do so

  CHECK(error_of(annotation("K\xe4se")) ==
        "a.xml:2: the name 'K\\xe4se' is not UTF-8, and the file declares no other encoding; "
        "declare it, or save the file as UTF-8");
  CHECK(error_of(annotation("cheese", declared("x-klingon"))) ==
        "a.xml:1: encoding 'X-KLINGON', which cannot be read here; save the file as UTF-8");
  CHECK(error_of(annotation("\xff", declared("gb2312"))) ==
        "a.xml:2: bytes that are not GB2312, the file's encoding; save it as UTF-8");
}

TEST_CASE("voc: lists of ids, of files, of ids with a class's number, with a mark") {
  const auto ids = [](const std::string& list) {
    TemporaryFolder folder;
    for (const char* id : {"p1", "p2", "my picture 1"}) {
      folder.write(std::string("Annotations/") + id + ".xml", annotation("cat"));
      folder.write_picture(std::string("JPEGImages/") + id + ".ppm", 1);
    }
    folder.write("ImageSets/Main/train.txt", list);
    const auto data = open_dataset(voc_options(folder), "train");
    Strings found;
    for (int64_t i = 0; i < data->size(); ++i) {
      data->probe(i);
      found.push_back(data->source(i));
    }
    return found;
  };
  const Strings both = {"JPEGImages/p1.ppm", "JPEGImages/p2.ppm"};
  CHECK(ids("p1\np2\n") == both);
  CHECK(ids("\xEF\xBB\xBFp1\r\np2\r\n") == both);
  CHECK(ids("p1.jpg\np2.JPG\n") == both);
  CHECK(ids("p1  1\np2 -1\n") == both);
  CHECK(ids("JPEGImages/p1.png\nJPEGImages\\p2.png 0\n") == both);
  CHECK(ids("Annotations/p1.xml\np2.xml\n") == both);
  CHECK(ids("my picture 1\n") == Strings{"JPEGImages/my picture 1.ppm"});
}

TEST_CASE("voc: a class that training does not have is named with the file that has it") {
  TemporaryFolder folder;
  folder.write("Annotations/1.xml", annotation("cat"));
  folder.write("Annotations/2.xml", annotation("dog"));
  folder.write("JPEGImages/none.txt", "");
  folder.write("ImageSets/Main/train.txt", "1\n");
  folder.write("ImageSets/Main/val.txt", "1\n2\n");
  DataOptions options = voc_options(folder);
  options.label_space.names = {"cat"};
  CHECK(message_of<DataError>([&] { open_dataset(options, "val"); }, folder.path())
            .starts_with("ROOT/Annotations/2.xml: 1 class is not in the class list of 1: dog"));
}

TEST_CASE("voc: XML files and pictures without VOC's folders and lists are named") {
  TemporaryFolder folder;
  folder.write("annotations/1.xml", annotation("cat"));
  folder.write_picture("images/1.ppm", 1);
  DataOptions options;
  options.root = folder.path();
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path())
            .starts_with("ROOT: annotations/ holds VOC's XML files, but VOC data has them in "));
}

}  // namespace mld::test
