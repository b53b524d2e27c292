// Data sets described by CSV lists: which list belongs to a split, what its rows and paths mean.
#include "data/formats/csv.h"
#include "data/formats/csv_text.h"
#include "data/formats/format.h"
#include "data/formats/open.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

std::string error_of(const std::string& text) {
  return message_of<DataError>([&] { parse_label_csv(text, "a.csv"); });
}

DataOptions csv_options(const TemporaryFolder& folder) {
  DataOptions options;
  options.root = folder.path();
  options.format = "csv";
  return options;
}

std::string open_error(const TemporaryFolder& folder, const std::string& split = "train") {
  return message_of<DataError>([&] { open_dataset(csv_options(folder), split); }, folder.path());
}

// The samples' sources, once their pictures are known to exist.
Strings sources(const Dataset& data) {
  Strings found;
  for (int64_t i = 0; i < data.size(); ++i) {
    data.probe(i);
    found.push_back(data.source(i));
  }
  return found;
}

Strings sources(const TemporaryFolder& folder, const std::string& split = "train") {
  return sources(*open_dataset(csv_options(folder), split));
}

// The note on what was understood, without the folder's name.
std::string note_of(const TemporaryFolder& folder, const std::string& split = "train") {
  const auto notes = open_dataset(csv_options(folder), split)->notes();
  REQUIRE(notes.size() == 1);
  return notes[0].substr(folder.path().native().size() + 1);
}

}  // namespace

TEST_CASE("bad data: CSV lists") {
  CHECK(error_of("path,labels\na.jpg,[x]\n") == "no error");
  CHECK(error_of("") == "a.csv: no rows, expected path,labels or path,labels,split");
  CHECK(error_of("path,labels\n") == "a.csv: no rows, expected path,labels or path,labels,split");
  CHECK(error_of("path\n") ==
        "a.csv:1: 1 column, expected path,labels or path,labels,split");
  CHECK(error_of("path,labels\na.jpg,[x]\n\nb.jpg,[x, y],train\n") ==
        "a.csv:4: 4 columns, expected 2 as in the first line; put several labels in quotes: "
        "\"[a, b]\"");
  CHECK(error_of("path,labels\n\"a\nb.jpg\",[x]\nc.jpg,\"[x\n") ==
        "a.csv:4: a quoted field starts here and never ends");
  CHECK(error_of("path,labels\n\"a.jpg\"x,[x]\n") ==
        "a.csv:2: text after a closing quote, expected a comma or the end of the line");
  CHECK(error_of("path,labels\n../a.jpg,[x]\n") ==
        "a.csv:2: path '../a.jpg' contains '..', expected a path below the data folder");
  CHECK(error_of("path,labels\n,[x]\n") ==
        "a.csv:2: empty path, expected the path of a picture");
  CHECK(error_of("path,labels\na.jpg,[x\xff]\n") == "a.csv:2: label 'x\\xff' is not UTF-8");

  TemporaryFolder folder;
  folder.write("data.csv", "path,labels,split\na.jpg,[x],train\nb.jpg,[y],extra\n");
  CHECK(open_error(folder, "val") ==
        "ROOT/data.csv: no rows for split 'val'; the split column has train, extra; choose one in "
        "data.val" + kOrAPart);
  folder.write("data.csv", "path,labels\na.jpg,[x]\n");
  CHECK(open_error(folder, "val") ==
        "ROOT/data.csv: no split column, so every row belongs to split 'train'; name a file for "
        "'val' in data.val" + kOrAPart);
  folder.write("val.csv", "path,labels\na.jpg,\"[x, z, y]\"\n");
  DataOptions options;
  options.root = folder.path();
  options.val = "val.csv";
  options.label_space.names = {"x"};
  CHECK(message_of<DataError>([&] { open_dataset(options, "val"); }, folder.path()) ==
        "ROOT/val.csv: 2 classes are not in the class list of 1: y, z; every split must use the "
        "classes of the training split");
  options.train = "none.csv";
  CHECK(message_of<DataError>([&] { open_splits(options); }, folder.path()) ==
        "ROOT/none.csv: cannot open: No such file or directory");
}

TEST_CASE("csv: val is understood by the classes of train, not train by what val seems to have") {
  TemporaryFolder folder;
  folder.write("train.csv", "path,labels\na.jpg,cat\nb.jpg,dog\nc.jpg,bird\nd.jpg,cat dog\n");
  folder.write("val.csv", "path,labels\ne.jpg,cat dog\nf.jpg,bird\n");
  DataOptions options;
  options.root = folder.path();
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names() == std::vector<std::string>{"bird", "cat", "dog"});
  CHECK(splits.train->labels(3).size() == 2);
  CHECK(splits.val->labels(0).size() == 2);
}

TEST_CASE("csv: quotes, line ends, a byte order mark, a list without header") {
  const LabelCsv csv = parse_label_csv(
      "\xEF\xBB\xBF\"a,\"\"1\"\".jpg\",\"['x y', \"\"z\"\"]\"\r\nb.jpg,[]\r\nc.jpg,x", "a.csv");
  REQUIRE(csv.rows.size() == 3);
  CHECK(csv.rows[0].path == "a,\"1\".jpg");
  CHECK(csv.classes == std::vector<std::string>{"x", "x y", "z"});
  CHECK(csv.rows[0].labels == std::vector<int32_t>{1, 2});
  CHECK(csv.rows[1].labels.empty());
  CHECK(csv.rows[2].labels == std::vector<int32_t>{0});
  CHECK(csv.rows[2].line == 3);
}

TEST_CASE("csv: the splits' lists, by the usual names") {
  const std::string train = "path,label\na.ppm,sun\n", val = "path,label\nb.ppm,sun\n";
  const auto with = [&](const char* train_list, const char* val_list) {
    TemporaryFolder folder;
    folder.write_picture("a.ppm", 1);
    folder.write_picture("b.ppm", 2);
    folder.write(train_list, train);
    folder.write(val_list, val);
    return std::pair(sources(folder), sources(folder, "val"));
  };
  const std::pair<Strings, Strings> both = {{"a.ppm"}, {"b.ppm"}};
  CHECK(with("train.csv", "val.csv") == both);
  CHECK(with("train.tsv", "valid.tsv") == both);
  CHECK(with("train.txt", "val.txt") == both);
  CHECK(with("train_labels.csv", "labels-validation.csv") == both);
  CHECK(with("train/_classes.csv", "valid/_classes.csv") == both);
  CHECK(with("train/metadata.csv", "val/metadata.csv") == both);
  CHECK(with("TRAIN.CSV", "Val_Labels.Tsv") == both);
  CHECK(with("Train.TXT", "VALID.TXT") == both);

  TemporaryFolder folder;
  folder.write_picture("a.ppm", 1);
  folder.write("tags.csv", train);
  CHECK(sources(folder) == Strings{"a.ppm"});
  CHECK(open_error(folder, "val") ==
        "ROOT/tags.csv: no split column, so every row belongs to split 'train'; name a file for "
        "'val' in data.val" + kOrAPart);
  folder.write("more.csv", train);
  CHECK(open_error(folder) ==
        "ROOT: no CSV list for split 'train': looked for data.csv and train.csv, found more.csv, "
        "tags.csv; name the file in data.train");
  folder.write("train_a.csv", train);
  folder.write("train_b.csv", train);
  CHECK(open_error(folder) == "ROOT: several lists for split 'train', train_a.csv, train_b.csv; "
                              "name one in data.train");
}

TEST_CASE("csv: lists are found without data.format") {
  const auto found = [](const char* list, const std::string& text, const char* picture) {
    TemporaryFolder folder;
    folder.write(list, text);
    folder.write_picture(picture, 1);
    DataOptions options = csv_options(folder);
    options.format = "auto";
    return format_of(options).name;
  };
  const std::string text = "path,label\na.ppm,sun\n";
  for (const char* list : {"data.csv", "DATA.CSV", "Train.TSV", "train.tsv", "valid.csv",
                           "train_labels.csv", "train/_classes.csv"}) {
    CAPTURE(list);
    CHECK(found(list, text, "train/a.ppm") == (std::string(list) == "train_labels.csv" ? "folder"
                                                                                     : "csv"));
  }
  CHECK(found("train_labels.csv", text, "a.ppm") == "csv");
  CHECK(found("train.txt", "images/a.ppm 0\n", "images/a.ppm") == "csv");
  CHECK(found("train.txt", "images/a.ppm\n", "images/a.ppm") == "folder");  // no labels in it
}

TEST_CASE("csv: the split column's words are those of folders") {
  TemporaryFolder folder;
  for (const char* name : {"a.ppm", "b.ppm", "c.ppm", "d.ppm"}) {
    folder.write_picture(name, 1);
  }
  folder.write("data.csv", "path,label,split\na.ppm,x,TRAIN\nb.ppm,x,validation\nc.ppm,x,Valid\n"
                           "d.ppm,x,extra\n");
  CHECK(sources(folder) == Strings{"a.ppm"});
  CHECK(sources(folder, "val") == Strings{"b.ppm", "c.ppm"});
  const std::string what = "data.csv: one label a cell, 1 class, 1.0 a picture";
  CHECK(note_of(folder) == what + "; 1 row in no split, by the words 'extra'");
  DataOptions options = csv_options(folder);
  options.val = "extra";
  CHECK(sources(*open_dataset(options, "val")) == Strings{"d.ppm"});
  CHECK(open_dataset(options, "val")->notes()[0].ends_with("a picture"));
  folder.write("data.csv",
               "path,label,split\na.ppm,x,train\nb.ppm,x,extra\nc.ppm,x,\nd.ppm,x,extra\n");
  CHECK(note_of(folder) == what + "; 3 rows in no split, by the words 'extra', ''");
}

TEST_CASE("csv: what was understood of a list that the splits share is said once") {
  TemporaryFolder folder;
  folder.write_picture("a.ppm", 1);
  folder.write_picture("b.ppm", 2);
  folder.write("data.csv", "path,label,split\na.ppm,x,train\nb.ppm,x,val\n");
  const Splits shared = open_splits(csv_options(folder));
  CHECK(shared.train->notes().size() == 1);
  CHECK(shared.val->notes().empty());
  fs::remove(folder.path() / "data.csv");
  folder.write("train.csv", "path,label\na.ppm,x\n");
  folder.write("val.csv", "path,label\nb.ppm,x\n");
  const Splits own = open_splits(csv_options(folder));
  CHECK(own.train->notes().size() == 1);
  CHECK(own.val->notes().size() == 1);
  DataOptions options = csv_options(folder);
  fs::create_directory(folder.path() / "none");
  options.val = "none";
  CHECK(message_of<DataError>([&] { open_splits(options); }, folder.path()) ==
        "ROOT/none: expected one .csv or .tsv list in this folder; name the list itself in "
        "data.val");
}

TEST_CASE("csv: paths from other places and systems") {
  const auto with = [](const std::string& path, const char* picture) {
    TemporaryFolder folder;
    folder.write_picture(picture, 1);
    const std::string root = folder.path().native();
    folder.write("data.csv", "path,label\n" + (path[0] == '@' ? root + path.substr(1) : path) +
                                 ",sun\n");
    return std::pair(sources(folder)[0], note_of(folder));
  };
  const std::string what = "data.csv: one label a cell, 1 class, 1.0 a picture";
  CHECK(with("pics\\a.ppm", "pics/a.ppm") ==
        std::pair<std::string, std::string>("pics/a.ppm", what + "; \\ in paths is read as /"));
  CHECK(with("pics\\a.ppm", "pics\\a.ppm").first == "pics\\a.ppm");  // so named by unzipping
  CHECK(with("@/pics/a.ppm", "pics/a.ppm") ==
        std::pair<std::string, std::string>("pics/a.ppm", what));
  CHECK(with("a7", "images/a7.ppm") == std::pair<std::string, std::string>(
      "images/a7.ppm", what + "; paths start from images/; .ppm added to paths"));
  CHECK(with("a.ppm", "train_pictures/a.ppm").second ==
        what + "; paths start from train_pictures/");

  TemporaryFolder folder;
  folder.write("data.csv", "path,label\npics/a.ppm,sun\n");
  CHECK(note_of(folder) == what + "; none of the first pictures was found");
  const auto path_error = [&](const std::string& path) {
    return error_of("path,label\nb.png,sun\n" + path + ",sun\n");
  };
  CHECK(path_error("C:\\pics\\a.png") == "a.csv:3: path 'C:\\pics\\a.png' is absolute on another "
                                       "system, expected a path below the data folder");
  CHECK(path_error("..\\a.png") == "a.csv:3: path '../a.png' contains '..', expected a path below "
                                   "the data folder");
  CHECK(path_error("https://a.org/a.png") == "a.csv:3: path 'https://a.org/a.png' is an address, "
                                             "expected a path below the data folder");
  folder.write("data.csv", "path,label\n" + folder.path().native() + "/../x.png,sun\n");
  CHECK(open_error(folder).find("is absolute, expected a path below the data folder") !=
        std::string::npos);
}

TEST_CASE("csv: text in another encoding is refused by name") {
  CHECK(error_of(std::string("\xFF\xFEp\0a\0", 6)) ==
        "a.csv: UTF-16 or UTF-32 text, expected UTF-8; convert it with iconv -f UTF-16 -t UTF-8 "
        "FILE");
}

TEST_CASE("csv: a folder in the root may be a link, other links stay below the root") {
  TemporaryFolder folder, other;
  other.write_picture("a.ppm", 1);
  other.write_picture("deep/b.ppm", 2);
  folder.write_picture("stored/c.ppm", 3);
  fs::create_directory_symlink(other.path(), folder.path() / "images");
  fs::create_directory_symlink(other.path(), folder.path() / "stored/away");
  fs::create_directory(folder.path() / "chosen");
  fs::create_symlink("../stored/c.ppm", folder.path() / "chosen/c.ppm");
  fs::create_symlink(other.path() / "a.ppm", folder.path() / "chosen/out.ppm");
  const auto with = [&](const std::string& path) {
    folder.write("data.csv", "path,label\n" + path + ",x\n");
    return sources(folder);
  };
  CHECK(with("a.ppm") == Strings{"images/a.ppm"});
  CHECK(with("images/deep/b.ppm") == Strings{"images/deep/b.ppm"});
  CHECK(with("c.ppm") == Strings{"chosen/c.ppm"});
  CHECK(with("chosen/c.ppm") == Strings{"chosen/c.ppm"});
  for (const char* out : {"out.ppm", "chosen/out.ppm", "stored/away/a.ppm", "away/a.ppm"}) {
    CAPTURE(out);
    CHECK(message_of<DataError>([&] { with(out); }).find(": symbolic link to ") !=
          std::string::npos);
  }
  for (const std::string& path : Strings{"../x/a.ppm", "images/../../a.ppm",
                                         (other.path() / "a.ppm").native()}) {
    const std::string message = message_of<DataError>([&] { with(path); });
    CHECK(message.find("expected a path below the data folder") != std::string::npos);
  }
}

}  // namespace mld::test
