// One list of pictures: how a folder's files are classified.
#include <sys/stat.h>

#include "data/inspect.h"
#include "data/picture_files.h"
#include "tests/data_files.h"

namespace mld::test {

namespace {

// A folder with a file of every kind.
void fill(const TemporaryFolder& folder) {
  const std::string jpeg = read_file(kFixtures / "pics/size_3x5.jpg");
  for (const char* name : {"a.JPG", "b.jfif", "c.jpe", "d.pjpeg", "noext", "x.dat", "sub/deep/e"}) {
    folder.write(name, jpeg);
  }
  folder.write("f.webp", read_file(kFixtures / "pics/format_lossy.webp"));
  folder.write("g.Tiff", read_file(kFixtures / "pics/format_grey.tif"));
  folder.write("h.tga", read_file(kFixtures / "pics/format_grey.tga"));
  folder.write("damaged.png", "no PNG at all");  // named like a picture: a bad one
  for (const char* name : {"._a.JPG", ".DS_Store", ".git/x.jpg", "sub/.hidden.png"}) {
    folder.write(name, jpeg);
  }
  folder.write("notes.txt", "P1 is not a bitmap here");
  folder.write("BM.txt", "BM begins this text, which is long enough");
  folder.write("empty", "");
  folder.write("x.heic", std::string("\0\0\0\x18" "ftypheic", 12));
  fs::create_directory_symlink(folder.path(), folder.path() / "circle");
  fs::create_symlink(folder.path() / "a.JPG", folder.path() / "linked");
  REQUIRE(::mkfifo((folder.path() / "pipe").c_str(), 0600) == 0);
}

}  // namespace

TEST_CASE("list_pictures: by ending or content, below folders, the rest counted by reason") {
  const TemporaryFolder folder;
  fill(folder);
  LeftOut left_out;
  CHECK(list_pictures(folder.path(), folder.path(), left_out) ==
        std::vector<std::string>{"a.JPG", "b.jfif", "c.jpe", "d.pjpeg", "damaged.png", "f.webp",
                                 "g.Tiff", "h.tga", "linked", "noext", "sub/deep/e", "x.dat"});
  CHECK(left_out.text() == "1 a link to a folder (circle), 4 hidden (.DS_Store, ...), "
                           "1 in HEIC, which is not read (x.heic), 1 not a file (pipe), "
                           "3 not a picture (BM.txt, ...)");
  CHECK(list_pictures(folder.path() / "sub", folder.path(), left_out) ==
        std::vector<std::string>{"sub/deep/e"});
  CHECK(holds_picture(folder.path() / "sub/deep"));
  CHECK(!holds_picture(folder.path() / "sub"));
  CHECK(LeftOut().empty());
}

TEST_CASE("list_pictures: folders that cannot be listed are left out, unless one was asked for") {
  const TemporaryFolder folder;
  for (const char* name : {"cat/1.ppm", "dog/2.ppm", "dog/closed/3.ppm", "lost+found/4.ppm"}) {
    folder.write_picture(name, 1);
  }
  const fs::path closed[] = {folder.path() / "dog/closed", folder.path() / "lost+found"};
  for (const fs::path& path : closed) {
    fs::permissions(path, fs::perms::none);
  }
  const uid_t user = ::geteuid();
  REQUIRE((user != 0 || ::seteuid(65534) == 0));  // root could list them
  std::unique_ptr<Dataset> data;
  std::vector<std::string> unused, alone;
  const std::string opened = message_of<DataError>([&] {
    data = open_dataset(options_for(folder.path()), "train");
    const std::vector<const Dataset*> splits = {data.get()};
    unused = unused_pictures(folder.path(), splits);
    alone = unused_pictures(closed[1], splits);
  });
  LeftOut left_out;
  const std::string asked = message_of<DataError>(
      [&] { list_pictures(closed[1], closed[1], left_out); }, folder.path());
  REQUIRE((user != 0 || ::seteuid(0) == 0));
  for (const fs::path& path : closed) {
    fs::permissions(path, fs::perms::owner_all);
  }
  REQUIRE(opened == "no error");
  CHECK(data->size() == 2);
  CHECK(data->notes()[0].ends_with(
      ": left out: 2 a folder that cannot be listed (dog/closed, ...)"));
  CHECK(unused.empty());
  CHECK(alone.empty());
  CHECK(asked == "ROOT/lost+found: cannot list the folder: Permission denied");
}

TEST_CASE("training, check and predict see the same pictures") {
  const TemporaryFolder folder;
  fill(folder);
  fs::remove(folder.path() / "circle");
  fs::rename(folder.path() / "sub", folder.path() / "class");  // now the only folder
  for (const char* name : {"noext", "f.webp", "x.heic", "._a.JPG"}) {
    fs::rename(folder.path() / name, folder.path() / "class" / name);
  }
  const auto data = open_dataset(options_for(folder.path(), "folder"), "train");
  REQUIRE(data->size() == 3);
  CHECK(data->source(0) == "class/deep/e");
  CHECK(data->source(1) == "class/f.webp");
  CHECK(data->source(2) == "class/noext");
  CHECK(data->load(1).width == 37);
  REQUIRE(!data->notes().empty());
  CHECK(data->notes()[0].ends_with(
      ": left out: 2 hidden (class/._a.JPG, ...), 1 in HEIC, which is not read (class/x.heic), "
      "9 outside the class folders (a.JPG, ...)"));
  const std::vector<const Dataset*> splits = {data.get()};
  const std::vector<std::string> unused = unused_pictures(folder.path(), splits);
  CHECK(unused == std::vector<std::string>{"a.JPG", "b.jfif", "c.jpe", "d.pjpeg", "damaged.png",
                                           "g.Tiff", "h.tga", "linked", "x.dat"});
}

}  // namespace mld::test
