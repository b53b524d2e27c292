// Word vectors: the forms of files, which token is a label's, and the errors of bad files.
#include <algorithm>
#include <cmath>
#include <limits>

#include "data/file_pieces.h"
#include "data/safetensors.h"
#include "data/word_vectors.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

using Names = std::vector<std::string>;
using Values = std::vector<float>;

Values parsed(std::string_view text, const Names& names, VectorNorm norm = VectorNorm::keep) {
  return parse_word_vectors(text, "f.txt", names, norm).values.to_vector();
}

std::string refused(std::string_view text, const Names& names) {
  return message_of<DataError>([&] { parsed(text, names); });
}

using Tensors = std::vector<std::pair<std::string, Tensor>>;

void write_tensors(const fs::path& path, const Tensors& tensors,
                   const std::map<std::string, std::string>& metadata = {}) {
  const std::vector<uint8_t> bytes = to_safetensors(tensors, metadata);
  write_file(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("word vectors: text of GloVe, word2vec and fastText") {
  const std::string rows = "dog 1 2 3\ncat 4 5 6\n";
  const Values expected = {4, 5, 6, 1, 2, 3};
  CHECK(parsed(rows, {"cat", "dog"}) == expected);
  CHECK(parsed("2 3\n" + rows, {"cat", "dog"}) == expected);                  // with a header
  CHECK(parsed("2 3\ndog 1 2 3 \ncat 4 5 6 \n", {"cat", "dog"}) == expected);  // fastText's blanks
  CHECK(parsed("dog\t1\t2\t3\r\ncat\t4\t5\t6", {"cat", "dog"}) == expected);   // no last line break
  CHECK(parsed("\xef\xbb\xbf" + rows, {"cat", "dog"}) == expected);
  CHECK(parsed(rows + "dog 7 8 9\n", {"dog"}) == Values{1, 2, 3});  // the first of two counts
  CHECK(parsed(". . 1 2 3\n" + rows, {"dog"}) == Values{1, 2, 3});  // a word with a blank in it
  CHECK(parsed("2000 1 2 3\n1 4 5 6\n", {"1", "2000"}) == Values{4, 5, 6, 1, 2, 3});
  CHECK(parsed("dog 1e-3 -0.5 inf\ncat 1 2 3\n", {"cat"}) == Values{1, 2, 3});
  const WordVectors two = parse_word_vectors(rows, "f", Names{"dog", "cat"}, VectorNorm::keep);
  CHECK(two.names == Names{"dog", "cat"});
  CHECK(two.dim() == 3);
  CHECK(two.of(Names{"cat"}).to_vector() == Values{4, 5, 6});
  CHECK(message_of<DataError>([&] { two.of(Names{"cot"}); }) ==
        "word vectors: none for 'cot', did you mean 'cat'?");
}

TEST_CASE("word vectors: pieces of any length give the same") {
  const TemporaryFolder folder;
  std::string text = "30001 2\n";
  for (int i = 0; i < 30000; ++i) {  // more than a piece
    text += fmt::format("word{} {} {} and-some-padding-inside-a-word-with-blanks 1 2\n", i, i, i);
  }
  text += "dog 3 4";
  folder.write("v.txt", text);
  std::vector<int64_t> done;
  int64_t size = 0;
  const WordVectors found = read_word_vectors(folder.path() / "v.txt", Names{"dog"},
                                              VectorNorm::keep, [&](int64_t at, int64_t bytes) {
                                                done.push_back(at);
                                                size = bytes;
                                              });
  CHECK(found.values.to_vector() == Values{3, 4});
  CHECK(size == static_cast<int64_t>(text.size()));
  CHECK(done.size() > 1);
  CHECK(done.back() == size);
  CHECK(std::ranges::is_sorted(done));
}

TEST_CASE("word vectors: a file is read no further than needed") {
  const TemporaryFolder folder;
  folder.write("v.vec", "900000 2\ndog 3 4\n" + std::string(size_t{3} << 20, 'x'));
  std::vector<int64_t> read;
  read_word_vectors(folder.path() / "v.vec", Names{"dog"}, VectorNorm::keep,
                    [&](int64_t at, int64_t) { read.push_back(at); });
  REQUIRE(read.size() == 2);  // one piece, and the end
  CHECK(read[0] == int64_t{1} << 20);
}

TEST_CASE("word vectors: which token is a label's") {
  const std::string text =
      "traffic 1 0\nlight 0 1\nfire_hydrant 5 5\nfire 1 1\nhydrant 1 1\nstop-sign 6 6\n"
      "new york 7 7\ntv 8 8\nHot 2 0\ndog 0 2\nDog 9 9\nwine_glass 3 3\n";
  CHECK(parsed(text, {"traffic light"}) == Values{0.5f, 0.5f});  // the mean of the words
  CHECK(parsed(text, {"traffic_light"}) == Values{0.5f, 0.5f});
  CHECK(parsed(text, {"fire hydrant"}) == Values{5, 5});  // the joined token
  CHECK(parsed(text, {"stop sign"}) == Values{6, 6});
  CHECK(parsed(text, {"new_york"}) == Values{7, 7});
  CHECK(parsed(text, {"TV"}) == Values{8, 8});
  CHECK(parsed(text, {"Hot Dog"}) == Values{5.5f, 4.5f});  // as written before small letters
  CHECK(parsed(text, {"Wine-Glass"}) == Values{3, 3});
  CHECK(parsed(text, {"dog", "Dog"}) == Values{0, 2, 9, 9});
}

TEST_CASE("word vectors: unit length, but for those that have it") {
  const Values unit = parsed("a 3 4\nb 0.6 0.8\nc 1e-30 0\n", {"a", "b", "c"}, VectorNorm::unit);
  CHECK(unit[0] == doctest::Approx(0.6));
  CHECK(unit[1] == doctest::Approx(0.8));
  CHECK(unit[2] == 0.6f);
  CHECK(unit[3] == 0.8f);
  CHECK(unit[4] == 1.0f);
}

TEST_CASE("word vectors: labels without one are named, with similar spellings") {
  const std::string text = "aeroplane 1 2\ndining 1 2\ntable 1 2\nmotorcycle 1 2\nracket 1 2\n";
  CHECK(refused(text, {"aeroplan", "table"}) ==
        "f.txt: no vector for 1 of 2 classes: 'aeroplan' (similar: 'aeroplane'); name the classes "
        "as the file does, or add lines with their vectors to it");
  CHECK(refused(text, {"dining tabel", "zzz"}).find(
            "2 of 2 classes: 'dining tabel', whose 'tabel' it lacks (similar: 'table'), 'zzz'; ") !=
        std::string::npos);
  CHECK(refused("9 2\na 1 2\n", {"b"}).find(
            "'b' (similar: 'a'); it has 1 word where its first line promises 9: it is cut short") !=
        std::string::npos);
}

TEST_CASE("word vectors: bad text is an error with its line") {
  CHECK(refused("dog 1 2\ncat 1 2 3\n", {"dog", "cat"}) ==
        "f.txt:2: 'cat' has 3 numbers, but the file's first vector has 2");
  CHECK(refused("dog 1 2\ncat 1\n", {"dog", "cat"}) ==
        "f.txt:2: 'cat' has 1 numbers, but the file's first vector has 2");
  CHECK(refused("dog 1 2\ncat nan 2\n", {"cat"}) == "f.txt:2: 'cat': nan is not a finite number");
  CHECK(refused("dog 1 2\ncat 1 1e39\n", {"cat"}) ==
        "f.txt:2: 'cat': 1e39 is not a finite number");
  CHECK(refused("dog 1 2\ncat x 2\n", {"cat"}) == "f.txt:2: 'cat': 'x' is not a number");
  CHECK(refused("dog 1 2\ncat 0 0\n", {"cat"}) ==
        "f.txt: the vector of 'cat' is all zero, which is no direction");
  CHECK(refused("", {"cat"}).find("f.txt: no vectors in it") == 0);
  CHECK(refused("3 300\n", {"cat"}).find("f.txt: no vectors in it") == 0);
  CHECK(refused("3 300\n\x01\x02\x03 \xff\n", {"cat"}).find(
            "f.txt:2: expected a word and its numbers") == 0);
  CHECK(refused("\x1f\x8b\x08 xx\n", {"cat"}) ==
        "f.txt:1: the file is compressed with gzip; unpack it first");
  CHECK(refused(std::string(size_t{5} << 20, 'x'), {"cat"}).find("more than 4 MiB") !=
        std::string::npos);
}

TEST_CASE("word vectors: a matrix in safetensors, with names") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "v.safetensors";
  const Tensor rows = Tensor::from({2, 3}, Values{1, 2, 3, 4, 5, 6});
  const auto read = [&](const Names& names) {
    return read_word_vectors(file, names, VectorNorm::keep).values.to_vector();
  };
  write_tensors(file, {{"wordvecs", rows}}, {{"names", "[\"dog\", \"hot_dog\"]"}});
  CHECK(read({"hot dog", "dog"}) == Values{4, 5, 6, 1, 2, 3});
  write_tensors(file, {{"wordvecs", Tensor::from({1, 2, 3}, Values{1, 2, 3, 4, 5, 6})}},
                {{"names", "[\"a\", \"b\", \"c\"]"}});  // as published, a column per name
  CHECK(read({"b"}) == Values{2, 5});
  folder.write("classes.txt", "dog\ncat\n");
  write_tensors(file, {{"wordvecs", rows}});
  CHECK(read({"cat"}) == Values{4, 5, 6});
  folder.write("other.txt", "x\ny\n");
  write_tensors(file, {{"wordvecs", rows}}, {{"rows", "other.txt"}});
  CHECK(read({"y"}) == Values{4, 5, 6});
}

TEST_CASE("word vectors: bad safetensors are errors") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "v.safetensors";
  const Tensor rows = Tensor::from({2, 3}, Values{1, 2, 3, 4, 5, 6});
  const auto refused_file = [&] {
    return message_of<DataError>([&] { read_word_vectors(file, Names{"dog"}); }, folder.path());
  };
  write_tensors(file, {{"a", rows}});
  CHECK(refused_file() == "ROOT/v.safetensors: nothing says which class a row is: expected a list "
                          "in the metadata's \"names\", or ROOT/classes.txt with a name a line");
  write_tensors(file, {{"a", rows}}, {{"rows", "../x.txt"}});
  CHECK(refused_file() == "ROOT/v.safetensors: metadata \"rows\" is '../x.txt', expected the name "
                          "of a file beside it");
  write_tensors(file, {{"a", rows}}, {{"names", "[\"dog\", 1]"}});
  CHECK(refused_file() == "ROOT/v.safetensors: metadata \"names\": is no list of texts");
  write_tensors(file, {{"a", rows}}, {{"names", "[\"dog\"]"}});
  CHECK(refused_file() == "ROOT/v.safetensors: the matrix is [2, 3], but there are 1 names; "
                          "expected a name a row");
  write_tensors(file, {{"a", rows}, {"b", rows}});
  CHECK(refused_file() == "ROOT/v.safetensors: 2 matrices, a, b, expected one, [classes, D]");
  Tensor bad = Tensor::from({2, 2}, Values{1, 2, 3, std::numeric_limits<float>::quiet_NaN()});
  write_tensors(file, {{"a", bad}}, {{"names", "[\"cat\", \"dog\"]"}});
  CHECK(refused_file() == "ROOT/v.safetensors: the vector of 'dog' has nan at position 2");
  write_tensors(file, {{"a", rows}}, {{"names", "[\"dig\", \"cat\"]"}});
  CHECK(refused_file().find("no vector for 1 of 1 class: 'dog' (similar: 'dig'") !=
        std::string::npos);
}

TEST_CASE("word vectors: class names that one vector would stand for") {
  CHECK_NOTHROW(require_distinct_words(Names{"car", "cars", "race car"}, "list"));
  const std::string both =
      "list: the classes 'traffic light' and 'Traffic_Light' differ only in capital letters or in "
      "what separates their words, so one word vector would stand for both; spell them alike if "
      "they are one class, else more differently";
  CHECK(message_of<DataError>([] {
          require_distinct_words(Names{"traffic light", "dog", "Traffic_Light"}, "list");
        }) == both);
  CHECK(message_of<DataError>([] { require_distinct_words(Names{"a", "a"}, "list"); }) ==
        "list: class 'a' is listed twice");
}

TEST_CASE("word vectors: the real files, in both forms") {
  const fs::path folder = shared_data("wordvecs");
  if (folder.empty()) {
    return;
  }
  for (const char* stem : {"nuswide/wordvecs", "coco/wordvecs_glove", "coco/wordvecs_sdl",
                           "voc/wordvecs_glove"}) {
    CAPTURE(stem);
    const fs::path text = folder / (std::string(stem) + ".txt");
    const Names names = lines_of(text.parent_path() / "classes.txt");
    const WordVectors a = read_word_vectors(text, names, VectorNorm::keep);
    const WordVectors b = read_word_vectors(folder / (std::string(stem) + ".safetensors"), names,
                                            VectorNorm::keep);
    CHECK(a.values.shape() == Shape{static_cast<int64_t>(names.size()), 300});
    CHECK(a.values.to_vector() == b.values.to_vector());
  }
}

}  // namespace mld::test
