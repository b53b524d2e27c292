// Data sets described by JSON lines: their members, their splits, and lines that are wrong. Also
// NUS-WIDE's form: a CSV list whose classes are divided into seen and unseen ones.
#include "data/formats/json_lines.h"
#include "data/formats/nus_wide.h"
#include "data/formats/open.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

JsonLines parse(const std::string& text) { return parse_json_lines(text, "a.jsonl"); }
std::string error_of(const std::string& text) {
  return message_of<DataError>([&] { parse(text); });
}

// The labels of a row: "cat dog ?ball", with ? for unknown ones.
std::string labels_of(const LabelList& list, size_t row) {
  std::string text;
  for (const int32_t label : list.rows[row].labels) {
    text += (text.empty() ? "" : " ") + list.classes[static_cast<size_t>(label)];
  }
  for (const int32_t label : list.rows[row].unknown) {
    text += " ?" + list.classes[static_cast<size_t>(label)];
  }
  return text;
}
std::string labels_of(const std::string& labels) {
  return labels_of(parse(R"({"file_name": "a.jpg", "labels": )" + labels + "}"), 0);
}

Strings sources_of(const Dataset& data) {
  Strings sources;
  for (int64_t i = 0; i < data.size(); ++i) {
    data.probe(i);
    sources.push_back(data.source(i));
  }
  return sources;
}

}  // namespace

TEST_CASE("json lines: labels in the ways in which they are written") {
  CHECK(labels_of(R"(["dog", "cat", "cat"])") == "cat dog");
  CHECK(labels_of(R"("cat")") == "cat");
  CHECK(labels_of("7") == "7");
  CHECK(labels_of("[3, 7.0, -1]") == "-1 3 7");
  CHECK(labels_of("null").empty());
  CHECK(labels_of("[]").empty());
  CHECK(labels_of(R"("")").empty());
  CHECK(labels_of(R"({"cat": 1, "dog": 0, "cow": null, "yak": true, "fox": false})") ==
        "cat yak ?cow");
  CHECK(labels_of(R"(["\u00e9t\u00e9", " sea side "])") == "sea side \u00e9t\u00e9");
  const JsonLines boxes = parse(
      R"({"file_name": "a.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": [5, 0]}})");
  CHECK(labels_of(boxes, 0) == "0 5");
}

TEST_CASE("json lines: members are found by name, and a note says what was taken") {
  const JsonLines lines = parse(
      "\xEF\xBB\xBF{\"width\": 7, \"image\": \"b.jpg\", \"tags\": \"sea, sun\", "
      "\"split\": \"Train\", \"loss\": NaN}\r\n\n"
      "{\"tags\": [\"sun\"], \"image\": \"c.jpg\", \"split\": \"val\"}\n"
      "{\"image\": \"./c.jpg\", \"tags\": [\"sea\"], \"split\": \"val\"}");
  CHECK(lines.rows.size() == 2);
  CHECK(lines.rows[1].line == 3);
  CHECK(lines.splits == Strings{"Train", "val"});
  CHECK(labels_of(lines, 0) == "sea, sun");
  CHECK(labels_of(lines, 1) == "sea sun");
  CHECK(lines.note() ==
        "a.jsonl: labels from \"tags\", 3 classes, 1.5 a picture; 3 rows merged into 2 pictures; a "
        "text is one label, such as 'sea, sun': write several as a list");
  // A name beside a number wins; a text that looks like a picture is one.
  CHECK(labels_of(parse(R"({"bild": "a.png", "label": 3, "label_name": "cat"})"), 0) == "cat");
  CHECK(parse(R"({"image_id": 139, "label": "x"})").rows[0].path == "139");
  // Lines without labels, also the first.
  const JsonLines late =
      parse("{\"file_name\": \"a.jpg\"}\n{\"file_name\": \"b.jpg\", \"class\": \"x\"}");
  CHECK(late.rows[0].labels.empty());
  CHECK(labels_of(late, 1) == "x");
}

TEST_CASE("json lines: bad lines") {
  const std::string good = R"({"file_name": "a.jpg", "labels": ["x"]})";
  CHECK(error_of(good) == "no error");
  CHECK(error_of("\n\n") ==
        "a.jsonl: no lines, expected objects such as {\"file_name\": \"a.jpg\", \"labels\": "
        "[\"cat\"]}");
  CHECK(error_of(good + "\n{\"file_name\": \"b.jpg\"") ==
        "a.jsonl:2: byte 21: not valid JSON: Missing a comma or '}' after an object member.");
  CHECK(error_of("[" + good + "]") == "a.jsonl:1: a list, expected one JSON object a line");
  CHECK(error_of(good + "\n{\"labels\": [\"x\"]}") ==
        "a.jsonl:2: no text \"file_name\", which names the picture in the lines before");
  CHECK(error_of(R"({"labels": ["x"], "path": 3.5})") ==
        "a.jsonl:1: no member names the picture; call it \"file_name\"");
  CHECK(error_of(R"({"image": "a.jpg", "path": "b.jpg", "labels": []})") ==
        "a.jsonl:1: \"image\" and \"path\" may both be the picture; leave one of them out");
  CHECK(error_of(R"({"image": "a.jpg", "label": "a", "tags": "b"})") ==
        "a.jsonl:1: \"label\" and \"tags\" may both be the labels; leave one of them out");
  CHECK(error_of(R"({"image": "a.jpg", "text": "a cat"})") ==
        "a.jsonl: no member holds labels; call it \"labels\"");
  CHECK(error_of(R"({"image": "a.jpg", "labels": [["x"]]})") ==
        "a.jsonl:1: \"labels\" holds a list, expected a label or a list of labels");
  CHECK(error_of(R"({"image": "a.jpg", "labels": [1.5]})") ==
        "a.jsonl:1: \"labels\" holds a number, expected a label or a list of labels");
  CHECK(error_of(R"({"image": "a.jpg", "labels": {"x": 2}})") ==
        "a.jsonl:1: \"x\" of \"labels\" is a number, expected 1, 0 or null (unknown)");
  CHECK(error_of(R"({"image": "a.jpg", "objects": {"bbox": []}})") ==
        "a.jsonl:1: \"objects\" has no \"categories\"");
  CHECK(error_of(R"({"image": "../a.jpg", "labels": []})").starts_with("a.jsonl:1: "));
  CHECK(error_of("{\"image\": \"a.jpg\", \"labels\": \"\xff\"}").starts_with("a.jsonl:1: "));
  CHECK(error_of("{\"a\":" + std::string(100'000, '[')).starts_with("a.jsonl:1: byte 100005: "));
}

TEST_CASE("json lines: splits by file, by folder, by word, and by the paths' folders") {
  TemporaryFolder folder;
  const auto line = [](const std::string& path, const std::string& more = "") {
    return fmt::format("{{\"file_name\": \"{}\", \"label\": \"x\"{}}}\n", path, more);
  };
  for (const char* name : {"train/a.ppm", "val/b.ppm", "images/c.ppm", "images/d.ppm"}) {
    folder.write_picture(name, 1);
  }
  folder.write("metadata.jsonl", line("train/a.ppm") + line("val/b.ppm"));
  CHECK(sources_of(*open_dataset(options_for(folder.path()), "train")) == Strings{"train/a.ppm"});
  const auto val = open_dataset(options_for(folder.path()), "val");
  CHECK(sources_of(*val) == Strings{"val/b.ppm"});
  CHECK(val->notes()[0].ends_with("; splits by the paths' first folders"));
  CHECK(message_of<NoSplit>([&] { open_dataset(options_for(folder.path()), "test"); },
                            folder.path())
            .starts_with("ROOT/metadata.jsonl: no rows for split 'test'; the split column has "
                         "train, val"));
  fs::remove(folder.path() / "metadata.jsonl");

  folder.write("train/metadata.jsonl", line("a.ppm"));
  folder.write("val/metadata.jsonl", line("b.ppm"));
  CHECK(sources_of(*open_dataset(options_for(folder.path()), "val")) == Strings{"val/b.ppm"});

  folder.write("data.jsonl",
               line("c", R"(, "split": "training")") + line("d", R"(, "split": "dev")"));
  CHECK(sources_of(*open_dataset(options_for(folder.path()), "train")) == Strings{"images/c.ppm"});
  CHECK(sources_of(*open_dataset(options_for(folder.path()), "val")) == Strings{"images/d.ppm"});

  DataOptions options = options_for(folder.path());
  options.train = "mine.jsonl";
  folder.write("mine.jsonl", line("d.ppm"));
  CHECK(sources_of(*open_dataset(options, "train")) == Strings{"images/d.ppm"});
  options.train = "none";
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path())
            .starts_with("ROOT/data.jsonl: no rows for split 'none'"));
}

TEST_CASE("json lines: labels outside the class list, missing pictures") {
  TemporaryFolder folder;
  folder.write("val.jsonl", "{\"path\": \"a.ppm\", \"tags\": [\"cat\", \"cow\"]}\n");
  DataOptions options = options_for(folder.path(), "jsonl");
  options.label_space = {.names = {"cat", "dog"}};
  CHECK(message_of<DataError>([&] { open_dataset(options, "val"); }, folder.path()) ==
        "ROOT/val.jsonl: 1 class is not in the class list of 2: cow; every split must use the "
        "classes of the training split");
  options.label_space = {};
  const auto data = open_dataset(options, "val");
  CHECK(data->notes()[0].ends_with("; none of the first pictures was found"));
  CHECK(message_of<DataError>([&] { data->load(0); }, folder.path()) ==
        "ROOT/a.ppm: cannot open: No such file or directory");
}

TEST_CASE("nus_wide: seen classes for training, unseen ones for evaluation") {
  TemporaryFolder folder;
  folder.write("data.csv", "path,labels,split\na.jpg,\"[sea, sky]\",train\nb.jpg,[sky],train\n"
                           "c.jpg,\"[sea, fox]\",val\nd.jpg,[sea],val\n");
  DataOptions options = options_for(folder.path(), "nus_wide");
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()) ==
        "ROOT/data.csv: no JSON file with \"test class\" beside it, which says which classes are "
        "unseen; without one use data.format = \"csv\"");
  folder.write("other.json", "[1]");
  folder.write("split.json", R"({"test class": ["sky", "fox", "yak"]})");
  const Splits splits = open_splits(options, ValClasses::own);
  CHECK(splits.train->class_names() == Strings{"sea"});
  CHECK(splits.train->size() == 1);
  CHECK(splits.val->class_names() == Strings{"fox", "sky"});
  CHECK(splits.val->size() == 1);
  CHECK(splits.val->labels(0).size() == 1);
  CHECK(splits.train->notes()[0].ends_with(
      "; none of the first pictures was found; split.json: 1 seen and 2 unseen classes (1 more "
      "occur in no row), 1 of 2 rows used"));
  // With all classes as columns, what a training row says of unseen ones is unknown.
  options.label_space = {.names = {"fox", "sea", "sky"}};
  const auto train = open_dataset(options, "train");
  CHECK(label_of(*train, 0, 2) == Label::unknown);
  CHECK(label_of(*train, 0, 1) == Label::present);
  CHECK(label_of(*open_dataset(options, "val"), 0, 1) == Label::present);
  options.label_space = {};

  folder.write("split.json", R"({"test class": ["fox"], "train class": ["sky"]})");
  CHECK(open_dataset(options, "train")->class_names() == Strings{"sky"});
  // As csv the same list has all classes, and says that it could be read otherwise.
  const auto csv = open_dataset(options_for(folder.path()), "train");
  CHECK(csv->class_names().size() == 3);
  CHECK(csv->notes().back().ends_with("split.json: seen and unseen classes, not used; data.format "
                                      "= \"nus_wide\" reads them"));
  folder.write("more.json", R"({"test class": []})");
  CHECK(message_of<DataError>([&] { open_dataset(options, "val"); }, folder.path()) ==
        "ROOT: more.json and split.json both have a \"test class\"; leave one");
}

TEST_CASE("nus_wide: a class split that is wrong") {
  const auto error = [](const std::string& json) {
    return message_of<DataError>([&] { parse_class_split(json, "s.json", {"a", "b"}); });
  };
  CHECK(error(R"({"test class": ["b"]})") == "no error");
  CHECK(error("[]") == "s.json: a list, expected an object with \"test class\"");
  CHECK(error("{}") == "s.json: \"test class\" is no list of class names");
  CHECK(error(R"({"test class": [1]})") == "s.json: \"test class\" is no list of class names");
  CHECK(error(R"({"test class": [], "train class": "a"})") ==
        "s.json: \"train class\" is no list of class names");
  CHECK(error(R"({"test class": ["b"], "train class": ["a", "b"]})") ==
        "s.json: 'b' is both a train class and a test class");
  CHECK(error("{") == "s.json: byte 1: not valid JSON: Missing a name for object member.");
}

}  // namespace mld::test
