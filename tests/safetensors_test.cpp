// safetensors: the edge-case fixture, hostile headers, writing, checksums, atomic replacement.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
#include "data/crc32c.h"
#include "data/file.h"
#include "data/safetensors.h"
#include "tests/data_files.h"
#include "tests/paths.h"

namespace {

namespace fs = std::filesystem;
using mld::test::kFixtures;
using mld::test::read_file;
using mld::test::TemporaryFolder;
using namespace std::string_literals;

std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A file with this header and this many data bytes.
std::string file_with(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data_bytes, 'x');
}

// The message of the DataError that parsing these bytes must throw.
std::string error_of(const std::string& file) {
  try {
    const mld::SafeTensorsFile parsed(as_bytes(file), "bad.safetensors");
  } catch (const mld::DataError& error) {
    return error.what();
  }
  return "accepted";
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape +
         R"(,"data_offsets":)" + offsets + "}";
}

void check_error(const std::string& file, const std::string& part) {
  const std::string message = error_of(file);
  CAPTURE(message);
  CAPTURE(part);
  CHECK(message.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("the fixture with every element type reads exactly") {
  const mld::SafeTensorsFile file(kFixtures / "st_edge.safetensors");
  CHECK(file.names().size() == 13);
  CHECK(file.names().front() == "f64");
  CHECK(file.names().back() == "bf16");
  CHECK(file.metadata() ==
        std::map<std::string, std::string>{{"format", "pt"}, {"note", "edge cases"}});
  CHECK(file.at("bf16").to_doubles() == std::vector<double>{1, -2.5, 3.140625, 0});
  CHECK(file.at("scalar").shape.empty());
  CHECK(file.at("scalar").numel() == 1);
  CHECK(file.at("empty").shape == std::vector<int64_t>{0, 4});
  CHECK(file.at("empty").to_doubles().empty());
  CHECK(file.at("empty").to_tensor().shape() == mld::Shape{0, 4});
  CHECK(file.at("n\u00e4me/with.dots and spaces").numel() == 1);
  CHECK(file.at("i32").to_tensor().dtype() == mld::DType::i32);
  CHECK(file.at("bool").to_tensor().dtype() == mld::DType::u8);
  CHECK(file.at("f64").to_tensor().dtype() == mld::DType::f32);
  CHECK_THROWS_AS(file.at("i16").to_tensor(), mld::DataError);
  for (const std::string& name : file.names()) {
    CHECK(file.at(name).to_doubles().size() == static_cast<size_t>(file.at(name).numel()));
  }
}

TEST_CASE("elements are widened exactly") {
  const auto parse = [](const std::string& dtype, const std::string& raw, size_t count) {
    const std::string header = "{" + entry("t", dtype, "[" + std::to_string(count) + "]",
                                           "[0," + std::to_string(raw.size()) + "]") + "}";
    const std::string file = file_with(header, 0) + raw;
    const mld::SafeTensorsFile parsed(as_bytes(file), "t");
    return parsed.at("t").to_doubles();
  };
  CHECK(parse("I8", "\xff\x7f"s, 2) == std::vector<double>{-1, 127});
  CHECK(parse("U8", "\xff\x7f"s, 2) == std::vector<double>{255, 127});
  CHECK(parse("I16", "\xfe\xff\x01\x00"s, 2) == std::vector<double>{-2, 1});
  CHECK(parse("BOOL", "\x00\x01\x02"s, 3) == std::vector<double>{0, 1, 1});
  CHECK(parse("U32", "\xff\xff\xff\xff"s, 1) == std::vector<double>{4294967295.0});
  // Largest finite, smallest subnormal, smallest normal, -2, and infinity.
  const auto half = parse("F16", "\xff\x7b\x01\x00\x00\x04\x00\xc0\x00\x7c"s, 5);
  CHECK(half[0] == 65504.0);
  CHECK(half[1] == 0x1p-24);
  CHECK(half[2] == 0x1p-14);
  CHECK(half[3] == -2.0);
  CHECK(std::isinf(half[4]));
  CHECK(std::isnan(parse("F16", "\x01\x7c"s, 1)[0]));
}

TEST_CASE("malformed files are refused with the reason") {
  check_error("1234567", "too short");
  check_error(std::string(8, '\xff'), "its header would have");
  check_error(file_with("{}", 0).substr(0, 9), "truncated");
  check_error(file_with("{", 0), "malformed safetensors header");
  check_error(file_with("[]", 0), "malformed safetensors header");
  check_error(file_with("3", 0), "malformed safetensors header");
  check_error(file_with("{} x", 0), "malformed safetensors header");
  check_error(file_with("{}\0 hidden"s, 0), "zero byte");
  check_error(file_with("{\"\xff\":1}", 0), "malformed safetensors header");
  check_error(file_with("{}", 1), "1 bytes of data, its tensors take 0");
  check_error(file_with(R"({"a":1})", 0), "malformed safetensors header at \"a\"");
  check_error(file_with(R"({"__metadata__":{"a":1}})", 0), "malformed");
  check_error(file_with(R"({"__metadata__":{"a":"1","a":"2"}})", 0), "metadata \"a\" occurs twice");
  check_error(file_with(R"({"__metadata__":{},"__metadata__":{}})", 0), "occurs twice");
  check_error(file_with(R"({"a":{"dtype":"F32","shape":[1]}})", 0), "lacks dtype");
  check_error(file_with(R"({"a":{"dtype":"F32","dtype":"F32"}})", 0), "\"dtype\" twice");
  check_error(file_with(R"({"a":{"dtype":"F32","shape":[[1]]}})", 0), "malformed");
  check_error(file_with(R"({"a":{"extra":1}})", 0), "malformed");
  const std::string four = entry("a", "F32", "[1]", "[0,4]");
  check_error(file_with("{" + four + "," + four + "}", 4), "\"a\" occurs twice");
  check_error(file_with("{" + entry("a", "F33", "[1]", "[0,4]") + "}", 4), "unknown type");
  check_error(file_with("{" + entry("a", "F32", "[1]", "[0,8]") + "}", 8), "do not fill 8 bytes");
  check_error(file_with("{" + entry("a", "F32", "[2]", "[0,8]") + "}", 4), "within 4 bytes");
  check_error(file_with("{" + entry("a", "F32", "[1]", "[4,0]") + "}", 4), "within 4 bytes");
  check_error(file_with("{" + entry("a", "F32", "[1]", "[0,4,4]") + "}", 4), "within 4 bytes");
  check_error(file_with("{" + entry("a", "F32", "[-1]", "[0,4]") + "}", 4), "malformed");
  check_error(file_with("{" + entry("a", "F32", "[1.0]", "[0,4]") + "}", 4), "malformed");
  check_error(file_with("{" + entry("a", "U8", "[18446744073709551615]", "[0,4]") + "}", 4),
              "malformed");
  const std::string overlap = entry("b", "U8", "[2]", "[3,5]");
  check_error(file_with("{" + four + "," + overlap + "}", 5), "inside the tensor before it");
  const std::string gap = entry("b", "U8", "[1]", "[5,6]");
  check_error(file_with("{" + four + "," + gap + "}", 6), "leaving a gap after byte 4");
  check_error(file_with("{" + four + "}", 5), "5 bytes of data, its tensors take 4");
  // 2^32 * 2^32 wraps to 0 in 64 bits; a zero dimension must not hide an overflow either.
  check_error(file_with("{" + entry("a", "U8", "[4294967296,4294967296]", "[0,0]") + "}", 0),
              "do not fill");
  check_error(file_with("{" + entry("a", "U8", "[0,4294967296,4294967296]", "[0,0]") + "}", 0),
              "do not fill");
  check_error(file_with("{" + entry("a", "F32", "[4611686018427387905]", "[0,4]") + "}", 4),
              "do not fill");
  check_error(file_with(std::string(1000000, '['), 0), "malformed");  // no stack overflow
  CHECK(error_of(file_with("{}     ", 0)) == "accepted");
  CHECK(error_of(file_with("{" + entry("a", "F8_E4M3", "[1,1,1,1,1,1]", "[0,1]") + "}", 1)) ==
        "accepted");
  check_error(file_with("{\"a\\u001b[2J\":3}", 0), "\\x1b[2J");  // no escapes for the terminal
}

TEST_CASE("missing files, folders and names are told") {
  const auto message = [](const fs::path& path) {
    try {
      const mld::SafeTensorsFile file(path);
    } catch (const mld::DataError& error) {
      return std::string(error.what());
    }
    return "accepted"s;
  };
  CHECK(message("absent.safetensors").find("No such file") != std::string::npos);
  CHECK(message(mld::test::source_dir()).find("is a folder") != std::string::npos);
  const mld::SafeTensorsFile file(kFixtures / "st_edge.safetensors");
  CHECK_FALSE(file.contains("sclar"));
  try {
    file.at("sclar");
    FAIL("accepted");
  } catch (const mld::DataError& error) {
    CHECK(std::string(error.what()).find("scalar") != std::string::npos);
  }
}

TEST_CASE("what is written reads back, bytes repeat, elements are aligned") {
  mld::Tensor bytes({3}, mld::DType::u8), counter({}, mld::DType::i64), half({2}, mld::DType::bf16);
  std::memcpy(bytes.raw(), "\x01\x02\x03", 3);
  *counter.data<int64_t>() = int64_t{1} << 60;
  half.data<mld::bf16>()[0] = mld::bf16(1.5f);
  half.data<mld::bf16>()[1] = mld::bf16(-8.0f);
  const std::vector<std::pair<std::string, mld::Tensor>> tensors = {
      {"bytes", bytes},
      {"half", half},
      {"weight \"q\"", mld::Tensor::from({2, 2}, std::vector<float>{1, 2, 3, 4})},
      {"counter", counter},
      {"none", mld::Tensor({0, 7})}};
  const std::map<std::string, std::string> metadata = {{"b", "line\nbreak"}, {"a", "\u00e9"}};
  const std::vector<uint8_t> written = mld::to_safetensors(tensors, metadata);
  CHECK(written == mld::to_safetensors(tensors, metadata));

  const mld::SafeTensorsFile file(written, "written");
  CHECK(file.metadata() == metadata);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    CAPTURE(name);
    CHECK(file.names()[i] == name);
    const mld::Tensor back = file.at(name).to_tensor();
    CHECK(back.dtype() == tensor.dtype());
    CHECK(back.shape() == tensor.shape());
    const std::span<const uint8_t> stored = file.at(name).bytes;
    CHECK(std::equal(stored.begin(), stored.end(), static_cast<const uint8_t*>(tensor.raw())));
    const size_t offset = static_cast<size_t>(stored.data() - written.data());
    CHECK(offset % mld::size_of(tensor.dtype()) == 0);
  }
  CHECK_THROWS_AS(mld::to_safetensors({{"a", bytes}, {"a", bytes}}, {}), mld::Error);
  CHECK_THROWS_AS(mld::to_safetensors({{"__metadata__", bytes}}, {}), mld::Error);
  CHECK_THROWS_AS(mld::to_safetensors({{"a\xff", bytes}}, {}), mld::DataError);
}

TEST_CASE("crc32c matches the published check values in both implementations") {
  // RFC 3720, B.4, and the catalogue's check value of "123456789".
  std::string ascending(32, '\0');
  for (size_t i = 0; i < ascending.size(); ++i) {
    ascending[i] = static_cast<char>(i);
  }
  const std::pair<std::string, uint32_t> cases[] = {{"123456789", 0xE3069283u},
                                                    {std::string(32, '\0'), 0x8A9136AAu},
                                                    {std::string(32, '\xff'), 0x62A8AB43u},
                                                    {ascending, 0x46DD794Eu},
                                                    {"", 0u}};
  for (const auto& [text, expected] : cases) {
    CHECK(mld::crc32c(as_bytes(text)) == expected);
    CHECK(mld::crc32c_portable(as_bytes(text)) == expected);
  }
}

TEST_CASE("a file is replaced as a whole") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "saved.bin";
  mld::write_file_atomically(path, as_bytes("first"));
  CHECK(read_file(path) == "first");
  const pid_t dead = ::fork();
  if (dead == 0) {
    ::_exit(0);
  }
  ::waitpid(dead, nullptr, 0);
  const auto temporary = [&](const std::string& name, pid_t process) {
    return folder.path() / fmt::format(".{}.{}.tmp", name, process);
  };
  std::ofstream(temporary("saved.bin", dead)) << "left behind by a crash, longer than the rest";
  std::ofstream(temporary("saved.bin", ::getppid())) << "another process is writing";
  std::ofstream(temporary("other.bin", dead)) << "not this file's";
  mld::write_file_atomically(path, as_bytes("second"));
  CHECK(read_file(path) == "second");
  CHECK_FALSE(fs::exists(temporary("saved.bin", dead)));
  CHECK(fs::exists(temporary("saved.bin", ::getppid())));
  CHECK(fs::exists(temporary("other.bin", dead)));
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 3);
  // Two processes at a time: neither writes into the other's temporary file.
  mld::write_file_atomically(path, [&](const mld::ByteSink& sink) {
    sink(as_bytes("thi"));
    const pid_t other = ::fork();
    if (other == 0) {
      mld::write_file_atomically(path, as_bytes("the other's"));
      ::_exit(0);
    }
    ::waitpid(other, nullptr, 0);
    CHECK(read_file(path) == "the other's");
    sink(as_bytes("rd"));
  });
  CHECK(read_file(path) == "third");
  CHECK_THROWS_AS(mld::write_file_atomically(folder.path() / "absent/saved.bin", as_bytes("x")),
                  mld::Error);
}

TEST_CASE("a full disk leaves the old file and no temporary") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "saved.bin";
  mld::write_file_atomically(path, as_bytes("old"));
  // In a child process: a limit on file size simulates the full disk, write() fails half way.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 1;
    try {
      mld::write_file_atomically(path, as_bytes(std::string(100000, 'n')));
    } catch (const mld::Error& error) {
      const bool named = std::string(error.what()).find("saved.bin: cannot save: writing failed") !=
                         std::string::npos;
      code = named ? 3 : 2;
    }
    ::_exit(code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(read_file(path) == "old");
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("a run folder belongs to one process") {
  const TemporaryFolder folder;
  const mld::FolderLock lock(folder.path());
  CHECK_THROWS_AS(mld::FolderLock(folder.path()), mld::DataError);
}
