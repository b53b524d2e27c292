// Files of the wrong kind, as weights, annotations, data or pictures, are called what they are.
#include <doctest/doctest.h>

#include "data/file.h"
#include "data/file_kind.h"
#include "data/formats/coco.h"
#include "data/formats/open.h"
#include "data/safetensors.h"
#include "tests/data_files.h"

namespace mld {
namespace {

using test::message_of;
using test::TemporaryFolder;
using test::write_file;
using namespace std::string_literals;
namespace fs = std::filesystem;

const std::string kLfs = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 4\n";

TEST_CASE("files that are no weights are called what they are") {
  const TemporaryFolder folder;
  const auto kind = [&](const std::string& bytes) {
    write_file(folder.path() / "x", bytes);
    return message_of<DataError>([&] { SafeTensorsFile(folder.path() / "x"); }, folder.path());
  };
  const std::string padding(600, '\0');
  const char* pytorch = "ROOT/x: is a PyTorch file (.pth, .pt, .bin); a training can start from it "
                        "(model.init), and mlinfer export makes a checkpoint of it";
  CHECK_EQ(kind("PK\x03\x04\x14\0\0\0\0\0model_best/data.pkl"s + padding), pytorch);
  CHECK_EQ(kind("PK\x03\x04\0\0\x08\x08\0\0\0\0archive/.format_version"s + padding), pytorch);
  CHECK_EQ(kind("\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.\x80\x02M"s), pytorch);  // torch < 1.6
  CHECK_EQ(kind("\x80\x04\x95\x13\0\0\0\0\0\0\0}\x94."s),
           "ROOT/x: is a pickle (Python), but none of torch.save");
  CHECK_EQ(kind("PK\x03\x04\x14\0\0\0\0\0pictures/a.jpg"s + padding),
           "ROOT/x: is a zip archive; unpack it first");
  CHECK(kind(kLfs).starts_with("ROOT/x: is a Git LFS pointer, not the file it stands for"));
  CHECK(kind("\n<!DOCTYPE HTML><html>Sign in").starts_with("ROOT/x: is a web page (HTML)"));
  CHECK(kind("<html lang=en>").starts_with("ROOT/x: is a web page (HTML)"));
  CHECK_EQ(kind("\x89HDF\r\n\x1a\n"s + padding).substr(0, 22), "ROOT/x: is an HDF5 fil");
  CHECK_EQ(kind("\x1f\x8b\x08\0\0\0\0\0\0\x03"s + padding + std::string(700000, 'x')),
           "ROOT/x: is compressed with gzip; unpack it first");  // a possible header length
  CHECK_EQ(kind("\xff\xd8\xff\xe0"s + padding), "ROOT/x: is a picture (JPEG)");
  CHECK(kind("[data]\nroot = \"x\"\n").find("; it looks like text") != std::string::npos);
  CHECK(kind("").find("0 bytes are too short") != std::string::npos);
  // A damaged safetensors file is still called one, with the reason.
  const std::vector<uint8_t> good = to_safetensors({{"a", Tensor::zeros({9})}}, {});
  const std::string cut(reinterpret_cast<const char*>(good.data()), 30);
  CHECK(kind(cut).starts_with("ROOT/x: truncated: "));
}

TEST_CASE("what only stands for a file is noticed wherever files are read") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x";
  const auto read = [&](const std::string& bytes) {
    write_file(file, bytes);
    return message_of<DataError>([&] { read_text_file(file, 1 << 20); }, folder.path());
  };
  CHECK(read(kLfs).starts_with("ROOT/x: is a Git LFS pointer"));
  CHECK(read("<!doctype html>\n<title>404").starts_with("ROOT/x: is a web page (HTML)"));
  CHECK_EQ(read("path,labels\na.png,html\n"), "no error");
  CHECK_EQ(read("<annotation><html/></annotation>"), "no error");
  CHECK_EQ(read("\xff\xd8\xff a picture may be what is wanted"), "no error");
}

TEST_CASE("annotations and data folders of the wrong kind") {
  const TemporaryFolder folder;
  const auto coco = [&](const std::string& bytes) {
    write_file(folder.path() / "x.json", bytes);
    return message_of<DataError>([&] { read_coco(folder.path() / "x.json"); }, folder.path());
  };
  CHECK_EQ(coco("PK\x03\x04\x14\0\0\0\x08\0instances_val2014.json"s),
           "ROOT/x.json: is a zip archive; unpack it first; expected COCO annotations (JSON)");
  CHECK(coco(kLfs).starts_with("ROOT/x.json: is a Git LFS pointer"));
  write_file(folder.path() / "data.zip", "PK\x03\x04 and more");
  DataOptions options;
  options.root = folder.path() / "data.zip";
  CHECK_EQ(message_of<DataError>([&] { open_dataset(options, "train"); }, folder.path()),
           "ROOT/data.zip: not a folder (data.root); it is a zip archive; unpack it first");
}

}  // namespace
}  // namespace mld
