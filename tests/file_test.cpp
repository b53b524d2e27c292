// Records appended to a file that is full.
#include <csignal>

#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>

#include <doctest/doctest.h>

#include "data/file.h"
#include "tests/data_files.h"

namespace mld {
namespace {

// No file of this process may grow beyond some bytes, until this ends.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("a record that does not fit leaves no part of itself; the next one is whole") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "log";
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  REQUIRE(append_record(file, "first\n"));
  {
    const FileSizeLimit limit(10);
    CHECK_FALSE(append_record(file, "second\n"));
    CHECK(errno == ENOSPC);
    CHECK(test::read_file(path) == "first\n");
    CHECK(append_record(file, "3rd\n"));
    CHECK_FALSE(append_record(file, "4\n"));  // not even its first byte fits
    CHECK(errno == EFBIG);
  }
  CHECK(append_record(file, "fifth\n"));
  CHECK(test::read_file(path) == "first\n3rd\nfifth\n");
}

}  // namespace mld
