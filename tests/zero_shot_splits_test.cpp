// Seen and unseen classes: columns, pictures and marks of both splits, and the errors of divisions
// that do not fit the data.
#include <algorithm>
#include <cmath>

#include "data/formats/class_division.h"
#include "data/formats/shapes.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Names = std::vector<std::string>;

// Pictures a to f in train, g to i in val, of the classes cat, dog, cow and bus.
void write_list(const TemporaryFolder& folder, const std::string& more = "") {
  folder.write("data.csv",
               "path,labels,split\n"
               "a.ppm,\"[cat]\",train\nb.ppm,\"[dog, cow]\",train\nc.ppm,\"[cow]\",train\n"
               "d.ppm,\"[bus]\",train\ne.ppm,\"[dog]\",train\nf.ppm,\"[]\",train\n"
               "g.ppm,\"[cow, cat]\",val\nh.ppm,\"[bus]\",val\ni.ppm,\"[dog]\",val\n" + more);
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i"}) {
    folder.write_picture(std::string(name) + ".ppm", name[0]);
  }
}

DataOptions zero_shot(const fs::path& root, const std::string& unseen,
                      const std::string& seen = "") {
  DataOptions options = options_for(root, "csv");
  options.zero_shot = true;
  options.unseen = unseen;
  options.seen = seen;
  return options;
}

// "a.ppm cat; b.ppm dog", what a split shows, by its own columns.
std::string shown(const Dataset& data) {
  std::string text;
  for (int64_t i = 0; i < data.size(); ++i) {
    text += (i > 0 ? "; " : "") + data.source(i);
    for (const LabelEntry& entry : data.labels(i)) {
      if (entry.label == Label::present) {
        text += " " + data.class_names()[static_cast<size_t>(entry.column)];
      }
    }
  }
  return text;
}

std::vector<bool> marks(std::initializer_list<int> values) {
  return std::vector<bool>(values.begin(), values.end());
}

template <class E = DataError>
std::string refused(const DataOptions& options) {
  return message_of<E>([&] { open_splits(options); }, options.root);
}

}  // namespace

TEST_CASE("zero-shot: training has seen columns, validation the union") {
  const TemporaryFolder folder;
  write_list(folder);
  for (const char* unseen : {"cow, bus", "unseen.txt", "split.json"}) {
    CAPTURE(unseen);
    folder.write("unseen.txt", "bus\r\ncow\n");
    folder.write("split.json", R"({"test class": ["bus", "cow"]})");
    const Splits splits = open_splits(zero_shot(folder.path(), unseen));
    CHECK(splits.train->class_names() == Names{"cat", "dog"});
    CHECK(splits.train->label_space().seen.empty());
    // c and d show only unseen classes; b keeps what is seen of it; f has no label at all.
    CHECK(shown(*splits.train) == "a.ppm cat; b.ppm dog; e.ppm dog");
    CHECK(splits.val->class_names() == Names{"bus", "cat", "cow", "dog"});
    CHECK(splits.val->label_space().seen == marks({0, 1, 0, 1}));
    CHECK(shown(*splits.val) == "g.ppm cat cow; h.ppm bus; i.ppm dog");
  }
}

TEST_CASE("zero-shot: pictures without labels follow data.unlabelled") {
  const TemporaryFolder folder;
  write_list(folder);
  DataOptions options = zero_shot(folder.path(), "cow, bus");
  options.unlabelled = Unlabelled::keep;
  CHECK(shown(*open_splits(options).train) == "a.ppm cat; b.ppm dog; e.ppm dog; f.ppm");
}

TEST_CASE("zero-shot: classes of neither list are not used") {
  const TemporaryFolder folder;
  write_list(folder);
  for (const char* seen : {"dog", "seen.txt"}) {
    folder.write("seen.txt", "dog\n");
    const Splits splits = open_splits(zero_shot(folder.path(), "cow", seen));
    CHECK(splits.train->class_names() == Names{"dog"});
    CHECK(shown(*splits.train) == "b.ppm dog; e.ppm dog");
    CHECK(splits.val->class_names() == Names{"cow", "dog"});
    CHECK(shown(*splits.val) == "g.ppm cow; i.ppm dog");
  }
  folder.write("split.json", R"({"test class": ["cow"], "train class": ["dog"]})");
  CHECK(open_splits(zero_shot(folder.path(), "split.json")).val->class_names() ==
        Names{"cow", "dog"});
}

TEST_CASE("zero-shot: another split with the columns of a checkpoint") {
  const TemporaryFolder folder;
  write_list(folder);
  DataOptions options = zero_shot(folder.path(), "");
  options.label_space = {.names = {"dog", "cow"}, .seen = {true, false},
                         .vectors = Tensor::full({2, 3}, 1)};
  const auto val = open_dataset(options, "val");
  CHECK(val->class_names() == Names{"dog", "cow"});
  CHECK(val->label_space().seen == marks({1, 0}));
  CHECK(val->label_space().vectors.defined());
  CHECK(shown(*val) == "g.ppm cow; i.ppm dog");
}

TEST_CASE("zero-shot: vectors of both splits, and of a closed set") {
  const TemporaryFolder folder;
  write_list(folder);
  folder.write("v.txt", "dog 1 0\ncat 2 0\ncow 3 0\nbus 4 0\n");
  DataOptions options = zero_shot(folder.path(), "cow, bus");
  options.vectors = (folder.path() / "v.txt").native();
  options.vector_norm = VectorNorm::keep;
  const Splits splits = open_splits(options);
  CHECK(splits.train->label_space().vectors.to_vector() == std::vector<float>{2, 0, 1, 0});
  CHECK(splits.val->label_space().vectors.to_vector() ==
        std::vector<float>{4, 0, 2, 0, 3, 0, 1, 0});
  const uint64_t one = vectors_fingerprint(splits.val->label_space());
  folder.write("v.txt", "dog 1 0\ncat 2 0\ncow 3 0\nbus 4 1\n");
  CHECK(vectors_fingerprint(open_splits(options).val->label_space()) != one);
  options.zero_shot = false;
  options.unseen = "";
  CHECK(open_splits(options).train->label_space().vectors.shape() == Shape{4, 2});
  folder.write("v.txt", "dog 1 0\ncat 2 0\ncow 3 0\n");
  CHECK(refused(options).find("ROOT/v.txt: no vector for 1 of 4 classes: 'bus'") == 0);
  write_list(folder, "a.ppm,[Dog],train\n");
  CHECK(refused(options).find("the data: the classes 'Dog' and 'dog' differ only in capital") == 0);
}

TEST_CASE("zero-shot: divisions that do not fit") {
  const TemporaryFolder folder;
  write_list(folder);
  const fs::path& root = folder.path();
  CHECK(refused(zero_shot(root, "cow, bus", "dog, bus, cat")) ==
        "data.unseen: 1 class is both seen and unseen: bus");
  CHECK(refused(zero_shot(root, "cow, Cow")).find(
            "data.unseen: the class 'Cow' is spelled 'cow' in the data; spell it alike") == 0);
  CHECK(refused(zero_shot(root, "cow, red_car, red car")).find(
            "data.unseen: the classes 'red car' and 'red_car' differ only") == 0);
  CHECK(refused(zero_shot(root, "cow, cow")) == "data.unseen: class 'cow' is listed twice");
  CHECK(refused(zero_shot(root, "cow, bus, cat, dog")).find("every class is unseen") !=
        std::string::npos);
  CHECK(refused(zero_shot(root, "zebra")).find(
            "data.unseen: no picture of the val split shows an unseen class") == 0);
  CHECK(refused(zero_shot(root, ",")).find("data.unseen: no class is unseen") == 0);
  CHECK(refused(zero_shot(root, "none.txt")).find("ROOT/none.txt: cannot open") == 0);
  folder.write("bad.json", "{\"test class\": [1]}");
  CHECK(refused(zero_shot(root, "bad.json")) ==
        "ROOT/bad.json: \"test class\" is no list of class names");
  CHECK(refused<UsageError>(zero_shot(root, "")).find("data.unseen is missing") == 0);
  const Splits splits = open_splits(zero_shot(root, "cow, buss"));
  const std::string warning =
      "data.unseen: no picture shows 1 of 2 listed classes: buss, did you mean 'bus'?";
  CHECK(std::ranges::count(splits.warnings, warning) == 1);
}

TEST_CASE("zero-shot: shapes have unseen pairs and vectors of their own") {
  DataOptions options = options_for("", "shapes");
  options.zero_shot = true;
  options.train_size = 60;
  options.val_size = 40;
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names().size() == 27);
  REQUIRE(splits.val->class_names().size() == 36);
  CHECK(std::ranges::is_sorted(splits.val->class_names()));
  CHECK(std::ranges::count(splits.val->label_space().seen, false) == 9);
  for (int i = 0; i < 6; ++i) {
    int of_colour = 0, of_form = 0;
    for (int k = 0; k < 6; ++k) {
      of_colour += shape_pair_unseen(i, k);
      of_form += shape_pair_unseen(k, i);
    }
    CHECK((of_colour == 1 || of_colour == 2));
    CHECK((of_form == 1 || of_form == 2));
  }
  const Tensor vectors = splits.val->label_space().vectors;
  REQUIRE(vectors.shape() == Shape{36, 300});
  const auto dot = [&](const std::string& a, const std::string& b) {
    const WordVectors all{.names = splits.val->class_names(), .values = vectors};
    const std::vector<float> x = all.of(Names{a}).to_vector(), y = all.of(Names{b}).to_vector();
    double sum = 0;
    for (size_t d = 0; d < x.size(); ++d) {
      sum += double{x[d]} * double{y[d]};
    }
    return sum;
  };
  CHECK(dot("red star", "red star") == doctest::Approx(1).epsilon(1e-5));
  CHECK(dot("red star", "red ring") == doctest::Approx(0.5).epsilon(0.1));
  CHECK(dot("red star", "blue star") == doctest::Approx(0.5).epsilon(0.1));
  CHECK(std::abs(dot("red star", "blue ring")) < 0.2);
  CHECK_THROWS_AS(shape_vectors(Names{"red dog"}), DataError);
}

TEST_CASE("zero-shot: NUS-WIDE's and VOC's divisions") {
  const fs::path nus = shared_data("nuswide-sample"), voc = shared_data("voc2007"),
                 words = shared_data("wordvecs");
  if (nus.empty() || voc.empty() || words.empty()) {
    return;
  }
  DataOptions options = options_for(nus, "nus_wide");
  options.zero_shot = true;
  options.vectors = (words / "nuswide/wordvecs.txt").native();
  const Splits of_file = open_splits(options);  // classes that occur, and all 81 unseen ones
  CHECK(of_file.train->class_names().size() == 52 - 21);
  CHECK(of_file.val->class_names().size() == 52 - 21 + 81);
  options.seen = (words / "nuswide/seen_classes.txt").native();
  options.unseen = (words / "nuswide/unseen_classes.txt").native();
  const Splits all = open_splits(options);
  CHECK(all.train->class_names() == lines_of(words / "nuswide/seen_classes.txt"));
  CHECK(all.val->class_names() == lines_of(words / "nuswide/classes.txt"));
  CHECK(all.val->label_space().vectors.shape() == Shape{1006, 300});

  DataOptions four = options_for(voc, "csv");
  four.zero_shot = true;
  four.unseen = "benchmark_voc_4unseen.json";
  four.vectors = (words / "voc/wordvecs_glove.txt").native();
  const Splits of_voc = open_splits(four);
  CHECK(of_voc.train->class_names().size() == 16);
  CHECK(of_voc.val->class_names() == lines_of(voc / "classes.txt"));
}

TEST_CASE("zero-shot: COCO's 48 seen and 17 unseen classes") {
  const fs::path coco = shared_data("coco-mini"), words = shared_data("wordvecs");
  if (coco.empty() || words.empty()) {
    return;
  }
  DataOptions options = options_for(coco, "coco");
  options.zero_shot = true;
  options.seen = (words / "coco/seen_classes.txt").native();
  options.unseen = (words / "coco/unseen_classes.txt").native();
  options.vectors = (words / "coco/wordvecs_sdl.safetensors").native();
  const Splits splits = open_splits(options);
  CHECK(splits.train->class_names().size() == 48);
  CHECK(splits.val->class_names().size() == 65);
  CHECK(splits.train->size() < 292);  // some show only classes of neither list, or unseen ones
  CHECK(splits.val->label_space().vectors.shape() == Shape{65, 300});
}

}  // namespace mld::test
