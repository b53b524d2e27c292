// Lists of labelled pictures: their layout is recognised or is an error, never guessed.
#include "data/formats/csv.h"

#include "data/formats/csv_cells.h"
#include "data/formats/csv_text.h"
#include "data/formats/split_words.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Strings = std::vector<std::string>;

Strings labels_of(const LabelCsv& csv, size_t row) {
  Strings labels;
  for (const int32_t label : csv.rows.at(row).labels) {
    labels.push_back(csv.classes[static_cast<size_t>(label)]);
  }
  return labels;
}

std::string error_of(const std::string& text, const CsvHints& hints = {}) {
  return message_of<DataError>([&] { parse_label_csv(text, "a.csv", hints); });
}

Strings cell(const std::string& text) {
  const LabelCell parsed = parse_label_cell(text, "a.csv:1");
  return parsed.list ? parsed.labels : Strings{"plain: " + parsed.text};
}

// A list with one labels column; each cell is a picture's.
std::string list_of(const Strings& cells) {
  std::string text = "path,labels\n";
  for (size_t i = 0; i < cells.size(); ++i) {
    text += "p" + std::to_string(i) + ".png,\"" + cells[i] + "\"\n";
  }
  return text;
}

}  // namespace

TEST_CASE("csv: cells that are lists, as programs write them") {
  const Strings two = {"sun", "sea side"};
  for (const char* text :
       {"['sun', 'sea side']", "[\"sun\", \"sea side\"]", "('sun', 'sea side')", "[sun, sea side]",
        "{'sun', 'sea side'}", "['sun' 'sea side']", "['sun'\n 'sea side']", "'sun', 'sea side'",
        "array(['sun', 'sea side'], dtype=object)", "array(['sun', 'sea side'],\n dtype='<U8')",
        "set(['sun', 'sea side'])", "frozenset({'sun', 'sea side'})", "[u'sun', u'sea side']",
        "[np.str_('sun'), np.str_('sea side')]", "[sun, 'sea side']", " [ 'sun' , 'sea side', ] ",
        "Index(['sun', 'sea side'], dtype='object')", "{sun,\"sea side\"}"}) {
    CAPTURE(text);
    CHECK(cell(text) == two);
  }
  CHECK(cell("('sun',)") == Strings{"sun"});
  for (const char* text : {"", "[]", "()", "{}", "set()", "array([], dtype=object)", "['']"}) {
    CAPTURE(text);
    CHECK(cell(text).empty());
  }
  CHECK(cell(R"(["\u00c9clair", "a\"b", "\ud83d\ude00"])") == Strings{"Éclair", "a\"b", "😀"});
  CHECK(cell("['d'or', \"dog's\"]") == Strings{"d'or", "dog's"});
  CHECK(cell("['a, b', 'c|d']") == Strings{"a, b", "c|d"});
  for (const char* text : {"sun", "(sun)", "sun (setting)", "a|b", "f(x)"}) {
    CAPTURE(text);
    CHECK(cell(text) == Strings{std::string("plain: ") + text});
  }
  const auto error = [](const char* text) {
    return message_of<DataError>([&] { parse_label_cell(text, "a.csv:4"); });
  };
  for (const char* text : {"{'sun': 1}", "['sun]", "['sun' sea]", "[['sun']]", "['\\ud83d']"}) {
    CAPTURE(text);
    CHECK(error(text).starts_with("a.csv:4: the labels "));
  }
  CHECK(error("{'sun': 1}") ==
        "a.csv:4: the labels {'sun': 1} cannot be read as a list; write them as \"[a, b]\", or set "
        "data.label_separator = \"none\" to take every cell as one label");
  CHECK(error("['a' 'b' ... 'z']").find("cannot be read") != std::string::npos);
  CHECK(error("[a, b, ..., z]") ==
        "a.csv:4: the labels [a, b, ..., z] are a shortened printout (...), so some are missing; "
        "write the file again with all of them");
}

TEST_CASE("csv: what separates labels is found out from all rows") {
  const auto read = [](const Strings& cells, const CsvHints& hints = {}) {
    return parse_label_csv(list_of(cells), "a.csv", hints);
  };
  for (const char* separator : {"|", ";", ", ", " ", "; "}) {
    CAPTURE(separator);
    const LabelCsv csv = read({"red", "green", std::string("red") + separator + "green"});
    CHECK(csv.classes == Strings{"green", "red"});
    CHECK(labels_of(csv, 2) == Strings{"green", "red"});
  }
  CHECK(read({"red|green", "blue"}).note() ==
        "a.csv: labels separated by |, 3 classes, 1.5 a picture");
  // Labels of several words stay whole if no word occurs alone.
  CHECK(read({"traffic light", "hot dog", "dog", "person"}).classes.size() == 4);
  CHECK(read({"person", "traffic light", "hot dog"}).note() ==
        "a.csv: one label a cell, blanks do not separate labels in 'traffic light' "
        "(data.label_separator = \" \" if they do), 3 classes, 1.0 a picture");
  CHECK(read({"person", "traffic light"}, {.separator = "none"}).note() ==
        "a.csv: one label a cell, 2 classes, 1.0 a picture");
  CHECK(read({"person", "traffic light"}, {.class_names = {"traffic light"}}).note() ==
        "a.csv: one label a cell, 2 classes, 1.0 a picture");
  CHECK(read({"No Finding", "Edema|No Finding", "Edema"}).classes ==
        Strings{"Edema", "No Finding"});
  CHECK(read({"[sea side]", "[sun, sea]", "[side]"}).classes ==
        Strings{"sea", "sea side", "side", "sun"});
  // Many labels per cell, few that occur alone.
  CHECK(read({"clear primary", "clear road water", "primary road", "water road clear primary",
              "clear water primary", "water"}).note() ==
        "a.csv: labels separated by blanks, 4 classes, 2.5 a picture");
  // Numbers as NumPy prints them.
  CHECK(read({"[1 3]", "[2]", "[3 2]"}).classes == Strings{"1", "2", "3"});
  // A known class list settles it.
  CHECK(labels_of(read({"red green"}, {.class_names = {"green", "red"}}), 0).size() == 2);
  CHECK(labels_of(read({"red circle"}, {.class_names = {"red circle", "red"}}), 0).size() == 1);

  CHECK(error_of(list_of({"red circle", "red square", "blue circle", "blue square", "red ring",
                          "blue ring"})) ==
        "a.csv:7: 'blue ring' may be one label or several, separated by blanks; set "
        "data.label_separator to \" \", or to \"none\" if a cell is one label");
  CHECK(error_of(list_of({"tench, Tinca tinca", "crane", "cock, rooster"})) ==
        "a.csv:4: 'cock, rooster' may be one label or several, separated by ','; set "
        "data.label_separator to \",\", or to \"none\" if a cell is one label");
  CHECK(error_of(list_of({"a|b", "b", "a, b"})) ==
        "a.csv: labels may be separated by ',' (line 4) or by '|' (line 2); set "
        "data.label_separator to one of them");
  CHECK(error_of(list_of({"[1 0 0]", "[0 1 1]"})) ==
        "a.csv: the labels of every row are 3 numbers 0 and 1, for classes whose names are not "
        "said; write one column per class, with a header");
  CHECK(error_of(list_of({"[1, 0, 0]", "[0, 1, 1]"})).find("3 numbers 0 and 1") !=
        std::string::npos);
}

TEST_CASE("csv: data.label_separator says what separates labels") {
  const std::string text = list_of({"tench, Tinca tinca", "a/b", "['x', 'y']"});
  const auto classes = [&](const std::string& separator) {
    return parse_label_csv(text, "a.csv", {.separator = separator}).classes;
  };
  CHECK(classes("none") == Strings{"['x', 'y']", "a/b", "tench, Tinca tinca"});
  CHECK(classes("/") == Strings{"a", "b", "tench, Tinca tinca", "x", "y"});
  CHECK(classes(",") == Strings{"Tinca tinca", "a/b", "tench", "x", "y"});
}

TEST_CASE("csv: columns in any order, named by a header or told by what they hold") {
  const auto paths = [](const LabelCsv& csv) {
    Strings result;
    for (const LabelCsv::Row& row : csv.rows) {
      result.push_back(row.path);
    }
    return result;
  };
  for (const char* text : {
           "split,labels,filename\ntrain,sun,a.png\nval,sea,b.png\n",
           ",File Path,Label,split_name\n0,a.png,sun,train\n0,b.png,sea,val\n",
           "Image Index\tFinding Labels\tage\tsubset\na.png\tsun\t60\ttrain\nb.png\tsea\t61\tval\n",
           "filename;labels;split\na.png;sun;train\nb.png;sea;val\n",
           "a.png,sun,train\nb.png,sea,val\n", "train,a.png,sun\nval,b.png,sea\n",
           "bild,art,teil\na.png,sun,train\nb.png,sea,val\n",
           "name,path,class,is_valid\nx,a.png,sun,False\ny,b.png,sea,True\n",
           "a.png sun train\nb.png sea val\n"}) {
    CAPTURE(text);
    const LabelCsv csv = parse_label_csv(text, "a.csv");
    CHECK(paths(csv) == Strings{"a.png", "b.png"});
    CHECK(csv.classes == Strings{"sea", "sun"});
    CHECK(csv.splits == Strings{"train", "val"});
    CHECK(labels_of(csv, 0) == Strings{"sun"});
  }
  // No extension, or an unknown one: still a row, not a header.
  CHECK(parse_label_csv("pics/a,sun\npics/b,sea\n", "a.csv").rows.size() == 2);
  CHECK(parse_label_csv("a.jfif,sun\nb.png,sea\n", "a.csv").rows.size() == 2);
  CHECK(parse_label_csv("a,sun,train\nb.png,sea,train\nc.png,sun,train\n", "a.csv").rows.size() ==
        3);
  // A header with dots is one; a row among whose cells is a header's word is not.
  for (const char* header : {"file.name,label", "img.path,tags", "photo.file,class",
                             "image/filename,label"}) {
    CAPTURE(header);
    const LabelCsv csv = parse_label_csv(header + std::string("\na.png,sun\nb.png,sea\n"), "a.csv");
    CHECK(paths(csv) == Strings{"a.png", "b.png"});
    CHECK(csv.classes == Strings{"sea", "sun"});
  }
  CHECK(parse_label_csv("file.name,label\npics/a,sun\npics/b,sea\n", "a.csv").rows.size() == 2);
  for (const char* rows : {"a.png,label\nb.png,sea\n", "a.dcm,label\nb.dcm,sea\n",
                           "d\\a,label\nd\\b,sea\n"}) {
    CAPTURE(rows);
    CHECK(parse_label_csv(rows, "a.csv").rows.size() == 2);
  }
  CHECK(parse_label_csv("bild,art\na.png,sun\nb.png,sea\n", "a.csv").note().find("no header") ==
        std::string::npos);
  CHECK(parse_label_csv("a.png,sun\nb.png,sun\n", "a.csv").note() ==
        "a.csv: one label a cell, 1 class, 1.0 a picture; no header");
  CHECK(parse_label_csv("path,age,label\na.png,7,sun\nb.png,8,sea\n", "a.csv").note() ==
        "a.csv: one label a cell, 2 classes, 1.0 a picture; not used: age");
}

TEST_CASE("words for splits, alone and in names") {
  for (const char* word : {"train", "Training", " TRN "}) {
    CHECK(split_of_word(word) == "train");
  }
  for (const char* word : {"val", "valid", "Validation", "validate", "dev"}) {
    CHECK(split_of_word(word) == "val");
  }
  for (const char* word : {"test", "testing", "tst"}) {
    CHECK(split_of_word(word) == "test");
  }
  CHECK(split_of_word("trainer").empty());
  CHECK(split_in_name("labels-valid.v2") == "val");
  CHECK(split_in_name("trainer_list").empty());
}

TEST_CASE("csv: columns that cannot be told are an error, which data.columns settles") {
  const std::string two_labels = "path,label,class\na.png,0,sun\nb.png,1,sea\n";
  CHECK(error_of(two_labels) ==
        "a.csv:1: several columns hold labels: the columns are path, label, class; set "
        "data.columns, one word a column of path, labels, split, class and -, such as "
        "\"path,labels,split\"");
  CHECK(parse_label_csv(two_labels, "a.csv", {.columns = "path,-,labels"}).classes ==
        Strings{"sea", "sun"});
  CHECK(error_of("001,sun\n002,sea\n").starts_with("a.csv:1: no column holds paths of pictures"));
  CHECK(parse_label_csv("001,sun\n002,sea\n", "a.csv", {.columns = "path,labels"}).rows.size() ==
        2);
  CHECK(error_of("image,mask,label\na.png,b.png,x\n") == "no error");
  CHECK(error_of("image,path,label\na.png,b.png,x\n").starts_with(
      "a.csv:1: several columns hold paths of pictures"));
  CHECK(error_of("path,x,y\na.png,7,8\n").starts_with(
      "a.csv:1: it is not clear which column holds labels"));
  CHECK(error_of("ImageID,LabelName,Confidence\na.png,sun,1\na.png,sea,0\n").starts_with(
      "a.csv:1: column Confidence may say that a label is absent"));
  const auto usage = [](const std::string& columns) {
    return message_of<UsageError>([&] {
      parse_label_csv("a.png,sun\n", "a.csv", {.columns = columns});
    });
  };
  CHECK(usage("path,label") == "data.columns: 'label' is unknown, expected words of path, labels, "
                               "split, class and - (a column that is not used)");
  CHECK(usage("path,path") == "data.columns = \"path,path\" needs one path, at most one split, and "
                              "either labels or class");
  CHECK(error_of("a.png,sun\n", {.columns = "path,-,labels"}) ==
        "a.csv:1: 2 columns, but data.columns = \"path,-,labels\" names 3");
}

TEST_CASE("csv: very many columns") {
  std::string text = "path,labels", tabs = "path\tlabels";
  for (int c = 0; c < 1'000'000; ++c) {
    text += ",x";
    tabs += "\tx";
  }
  CHECK(error_of(text + "\na.png,[x]\n") ==
        "a.csv:1: more than 1000000 columns, expected one picture a line");
  CHECK(error_of(tabs + "\na.png\t[x]\n") ==
        "a.csv:1: 1 column, expected path,labels or path,labels,split");
}

TEST_CASE("csv: one column per class") {
  const LabelCsv csv = parse_label_csv(
      "filename, sun, sea, moon,split\na.png, 1, 0, 0,train\nb.png, True, 1.0, 0,val\n"
      "c.png, 0, False, ,val\n", "a.csv");
  CHECK(csv.classes == Strings{"moon", "sea", "sun"});  // a class without pictures counts
  CHECK(labels_of(csv, 0) == Strings{"sun"});
  CHECK(labels_of(csv, 1) == Strings{"sea", "sun"});
  CHECK(labels_of(csv, 2).empty());
  CHECK(csv.note() == "a.csv: one column per class, 3 classes, 1.0 a picture");

  const auto unknown = [](const std::string& text) {
    return parse_label_csv("path,sun,sea\n" + text, "a.csv").rows[0].unknown.size();
  };
  CHECK(unknown("a.png,-1,1\nb.png,0,1\n") == 1);   // with 0 present, -1 is unknown
  CHECK(unknown("a.png,-1,1\nb.png,,1\n") == 1);
  CHECK(unknown("a.png,-1,1\nb.png,1,-1\n") == 0);  // 1 and -1 only: absent
  CHECK(error_of("path,sun,sea\na.png,-1,-1\nb.png,0,1\n") ==
        "a.csv: the class columns hold 2 times -1 and 1 times 0: either may say that a class is "
        "absent; write 0 for absent and -1 for unknown");
  CHECK(error_of("path,sun,sea\na.png,1,0\nb.png,0,1\nc.png,O,1\n").starts_with(
      "a.csv:1: column sun holds 0 and 1, but something else in line 4"));
  CHECK(error_of("path,sun\na.png,1\nb.png,0\n").starts_with(
      "a.csv:1: one column holds 0 and 1"));
  CHECK(parse_label_csv("path,sun\na.png,1\nb.png,0\n", "a.csv", {.columns = "path,class"})
            .classes == Strings{"sun"});
  CHECK(error_of("path,sun,sun\na.png,1,0\n") == "a.csv:1: class 'sun' is listed twice");
}

TEST_CASE("csv: a header may hold slashes") {
  const auto rows = [](const std::string& text) {
    const LabelCsv csv = parse_label_csv(text, "a.csv");
    return std::pair(csv.layout.header, csv.rows.size());
  };
  const std::pair<bool, size_t> header = {true, 2}, none = {false, 3};
  CHECK(rows("image/id,label\na/1.png,cat\na/2.png,dog\n") == header);
  CHECK(rows("image/id,label\na/1,cat\na/2,dog\n") == header);
  CHECK(rows("image,animal/breed\n1.png,cat/manx\n2.png,dog/pug\n") == header);
  CHECK(parse_label_csv("Image,Date (dd/mm/yyyy),label\n1.png,01/02/2020,cat\n"
                        "2.png,03/04/2021,dog\n", "a.csv").classes == Strings{"cat", "dog"});
  CHECK(rows("a/1,photo\na/2,drawing\na/3,photo\n") == none);  // a class of that name
  CHECK(rows("1.png,image\n2.png,drawing\n3.png,image\n") == none);
}

TEST_CASE("csv: rows of one picture are merged within a split") {
  const LabelCsv csv = parse_label_csv(
      "path,label,split\na.png,sun,train\nb.png,sea,train\n./a.png,sea,train\na.png,sun,val\n",
      "a.csv");
  REQUIRE(csv.rows.size() == 3);
  CHECK(labels_of(csv, 0) == Strings{"sea", "sun"});
  CHECK(labels_of(csv, 2) == Strings{"sun"});
  CHECK(csv.repeated == 1);
  CHECK(csv.note() ==
        "a.csv: one label a cell, 2 classes, 1.3 a picture; 4 rows merged into 3 pictures");
}

}  // namespace mld::test
