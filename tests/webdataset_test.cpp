// WebDataset's tar shards: what is read from them, and archives that lie.
#include "data/formats/tar.h"
#include "data/formats/webdataset.h"
#include "data/inspect.h"
#include "tests/tiny_data.h"

namespace mld::test {
namespace {

const std::string kEnd(1024, '\0');

TarIndex index_of(const std::string& tar) {
  return index_tar({reinterpret_cast<const uint8_t*>(tar.data()), tar.size()}, "a.tar");
}
std::string tar_error(const std::string& tar) {
  return message_of<DataError>([&] { index_of(tar); });
}
std::string shard_error(const std::string& tar) {
  return message_of<DataError>([&] {
    Shards shards;
    read_shard({reinterpret_cast<const uint8_t*>(tar.data()), tar.size()}, "a.tar", 0, shards);
  });
}

// The member with its size field, and so its checksum, changed.
std::string with_size(std::string member, const std::string& field) {
  member.replace(124, field.size(), field);
  int sum = 0;
  member.replace(148, 8, "        ");
  for (size_t i = 0; i < 512; ++i) {
    sum += static_cast<unsigned char>(member[i]);
  }
  return member.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
}

std::string names(const TarIndex& index) {
  std::string text;
  for (const TarMember& file : index.files) {
    text += fmt::format("{}{}:{}+{}", text.empty() ? "" : " ", file.name, file.offset, file.size);
  }
  return text;
}

}  // namespace

TEST_CASE("tar: members, long names, large sizes, joined archives") {
  const std::string a = tar_member("a.jpg", "12345"), b = tar_member("d/b.jpg", "");
  CHECK(names(index_of(a + b + kEnd)) == "a.jpg:512+5 d/b.jpg:1536+0");
  CHECK(names(index_of(a)) == "a.jpg:512+5");              // no end
  CHECK(names(index_of(a.substr(0, 512 + 5))) == "a.jpg:512+5");  // no padding
  CHECK(names(index_of(a + kEnd + b)) == "a.jpg:512+5 d/b.jpg:2560+0");
  std::string folded = tar_member("b.jpg", "x");
  folded.replace(345, 5, "x/y/z");
  folded = with_size(folded, "00000000001");
  CHECK(names(index_of(folded)) == "x/y/z/b.jpg:512+1");
  const std::string name(300, 'n');
  CHECK(names(index_of(tar_member("././@LongLink", name + '\0', 'L') + a)) == name + ":1536+5");
  const std::string path = "27 path=a much longer name\n";
  CHECK(names(index_of(tar_member("pax", "8 a=b\xC3\xA9\n" + path, 'x') + a)) ==
        "a much longer name:1536+5");
  CHECK(names(index_of(tar_member("pax", "10 size=3\n", 'x') + a)) == "a.jpg:1536+3");
  CHECK(names(index_of(with_size(a, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x05", 12)))) ==
        "a.jpg:512+5");
  const TarIndex links = index_of(tar_member("l", "", '2') + tar_member("d/", "", '5') + a);
  CHECK(names(links) == "a.jpg:1536+5");
  CHECK(links.skipped == 1);
}

TEST_CASE("tar: archives that lie about sizes, and files that are none") {
  const std::string a = tar_member("a.jpg", "12345");
  CHECK(tar_error("") == "a.tar: the file is empty, expected a tar archive");
  CHECK(tar_error(with_size(a, "77777777777")) ==
        "a.tar: byte 0: 'a.jpg' is said to have 8589934591 bytes, but only 512 are left; the "
        "archive is cut short or damaged");
  CHECK(tar_error(a + a.substr(0, 514)).starts_with("a.tar: byte 1024: 'a.jpg' is said to have 5"));
  CHECK(tar_error(with_size(a, std::string("\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", 12)))
            .starts_with("a.tar: byte 0: 'a.jpg' is said to have 9223372036854775807 bytes"));
  for (const std::string& size : {std::string("\x80\x01\0\0\0\0\0\0\0\0\0\x05", 12),
                                  std::string(12, '\xff'), std::string("-0000000001"),
                                  std::string("0000000009x")}) {
    CHECK(tar_error(with_size(a, size)) == "a.tar: byte 0: the size of 'a.jpg' is no number");
  }
  CHECK(tar_error(tar_member("pax", "99 size=3\n", 'x') + a) ==
        "a.tar: byte 0: a pax header that cannot be read");
  CHECK(tar_error(tar_member("pax", "11 size=-3\n", 'x') + a) ==
        "a.tar: byte 0: a pax header with the size '-3'");
  CHECK(tar_error(tar_member("pax", "12 size=999\n", 'x') + a).find("999 bytes, but only 512") !=
        std::string::npos);
  std::string damaged = a;
  damaged[3] = 'x';
  CHECK(tar_error(damaged) == "a.tar: byte 0: no tar header here: its checksum is wrong; is the "
                              "file a tar archive?");
  CHECK(tar_error(a + damaged).ends_with("the archive is damaged"));
  CHECK(tar_error(a + "rest") == "a.tar: byte 1024: 4 bytes where a header of 512 should be; the "
                                 "archive is cut short");
  CHECK(tar_error("\x1F\x8B\x08 and so on").find("is compressed") != std::string::npos);
  CHECK(tar_error(tar_member("a.jpg", "", 'S')).find("sparse") != std::string::npos);
  CHECK(tar_error(tar_member("n", std::string((1 << 20) + 1, 'n'), 'L'))
            .ends_with("a name or header of 1048577 bytes, expected at most 1048576"));
}

TEST_CASE("webdataset: labels as numbers, names, lines and JSON") {
  TemporaryFolder folder;
  std::string shard;
  for (const auto& [key, ending, content] :
       {std::tuple("x/1", "json", R"({"labels": ["cat", "dog"], "width": 4})"),
        std::tuple("x/2", "labels", "cow\n\ndog\n"), std::tuple("x/3", "cls", "cat"),
        std::tuple("x/4", "json", R"({"labels": {"cow": null, "dog": 1}})")}) {
    shard += tar_member(fmt::format("{}.{}", key, ending), content);
    shard += tar_member(fmt::format("{}.PPM", key), tiny_ppm(key[2]));
    shard += tar_member(fmt::format("{}.seg.png", key), "not looked at");
  }
  shard += tar_member("x/5.cls", "cat") + tar_member("x/6.ppm", tiny_ppm(9)) + kEnd;
  folder.write("train/0.tar", shard);
  DataOptions options = options_for(folder.path());
  options.unlabelled = Unlabelled::keep;
  const auto data = open_dataset(options, "train");
  CHECK(data->class_names() == std::vector<std::string>{"cat", "cow", "dog"});
  REQUIRE(data->size() == 5);
  CHECK(data->source(1) == "train/0.tar:x/2");
  CHECK(data->labels(0).size() == 2);
  CHECK(label_of(*data, 1, 1) == Label::present);
  CHECK(label_of(*data, 2, 0) == Label::present);
  CHECK(label_of(*data, 3, 1) == Label::unknown);
  CHECK(data->labels(4).empty());
  CHECK(data->load(1).pixel(0, 0)[0] == '2');
  CHECK(data->stored_bytes(1) == static_cast<int64_t>(tiny_ppm(0).size()));
  CHECK(data->notes().back().ends_with("0.tar: 1 shard; 1 sample without a picture left out"));
  CHECK(inspect(*data, true, 1).bad.empty());
  options.train_size = 2;
  options.unlabelled = Unlabelled::drop;
  CHECK(open_dataset(options, "train")->size() == 2);
  // The shard is replaced by a shorter one while it is in use.
  folder.write("train/0.tar", shard.substr(0, 1200));
  CHECK(message_of<DataError>([&] { data->load(1); }, folder.path()) ==
        "train/0.tar:x/2: cannot read: the shard is shorter now");
  CHECK(message_of<DataError>([&] { data->probe(1); }, folder.path()) ==
        "train/0.tar:x/2: the picture is empty, or the shard is shorter now");
}

TEST_CASE("webdataset: numbers are sorted as numbers, and named by a list") {
  TemporaryFolder folder;
  std::string shard;
  for (const char* label : {"10", "9", "0"}) {
    shard += tar_member(fmt::format("{}.cls", label), label) +
             tar_member(fmt::format("{}.ppm", label), tiny_ppm(1));
  }
  folder.write("pets-train-000.tar", shard);
  const auto names_of = [&] {
    return open_dataset(options_for(folder.path()), "train")->class_names();
  };
  CHECK(names_of() == std::vector<std::string>{"0", "9", "10"});
  folder.write("classes.txt", "a\nb\n");
  CHECK(message_of<DataError>(names_of, folder.path()) ==
        "ROOT: label 9, but the list of class names has 2");
  std::string names;
  for (int i = 0; i < 11; ++i) {
    names += fmt::format("n{}\n", i);
  }
  folder.write("classes.txt", names);
  CHECK(names_of().size() == 11);
  DataOptions options = options_for(folder.path());
  options.label_space = {.names = {"n0", "n9"}};
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()) ==
        "ROOT/pets-train-000.tar: 1 class is not in the class list of 2: n10, did you mean 'n0'?; "
        "every split must use the classes of the training split");
}

TEST_CASE("webdataset: shards by name, by folder, or chosen; and samples that are wrong") {
  TemporaryFolder folder;
  const std::string one = tar_member("1.cls", "a") + tar_member("1.ppm", tiny_ppm(1));
  folder.write("shard-0.tar", one);
  folder.write("shard-1.tar", one);
  CHECK(open_dataset(options_for(folder.path()), "train")->size() == 2);
  CHECK(message_of<NoSplit>([&] { open_dataset(options_for(folder.path()), "val"); },
                            folder.path())
            .starts_with("ROOT: no shards for split 'val': looked for val-*.tar and val/*.tar"));
  DataOptions options = options_for(folder.path());
  options.train = "shard-0";
  CHECK(open_dataset(options, "train")->size() == 1);
  options.val = "shard-1.tar";
  CHECK(open_dataset(options, "val")->source(0) == "shard-1.tar:1");
  folder.write("val/x.tar", one);
  options.val = "val";
  CHECK(open_dataset(options, "val")->source(0) == "val/x.tar:1");

  const std::string picture = tar_member("1.ppm", tiny_ppm(1));
  CHECK(shard_error(one) == "no error");
  CHECK(shard_error(tar_member("1.ppm", "") + tar_member("2.ppm", "") + tar_member("1.cls", "a")) ==
        "a.tar: the files of '1' do not lie together, or its name is not UTF-8; pack them in order "
        "of their names");
  CHECK(shard_error(picture + tar_member("1.jpg", "")) == "a.tar: '1' has two pictures");
  CHECK(shard_error(picture + tar_member("1.cls", "a\nb")) ==
        "a.tar: 1.cls: several labels; put them into a .json or .labels file");
  CHECK(shard_error(picture + tar_member("1.json", "[]")) ==
        "a.tar: 1.json: a list, expected an object");
  CHECK(shard_error(picture + tar_member("1.json", "{")).starts_with("a.tar: 1.json: byte 1: "));
  CHECK(shard_error(picture + tar_member("1.cls", "\xff")) ==
        "a.tar: 1.cls: label '\\xff' is not UTF-8");
  folder.write("shard-0.tar", picture);
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()) ==
        "ROOT/shard-0.tar: no labels: looked for files .cls, .labels and .json beside the "
        "pictures");
}

}  // namespace mld::test
