#include "data/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/file_pieces.h"
#include "data/text.h"

namespace mld {
namespace {

std::string reason() { return std::strerror(errno); }

// Opens a regular file for reading; its size comes back in `size`.
FileDescriptor open_regular(const std::filesystem::path& path, size_t& size) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  require<DataError>(file.open(), "{}: cannot open: {}", path.string(), reason());
  struct stat status {};
  const bool known = ::fstat(file.get(), &status) == 0;  // before reason() looks at errno
  require<DataError>(known, "{}: cannot read: {}", path.string(), reason());
  require<DataError>(S_ISREG(status.st_mode), "{}: {}, expected a file", path.string(),
                     S_ISDIR(status.st_mode) ? "is a folder" : "is not a regular file");
  size = static_cast<size_t>(status.st_size);
  return file;
}

// Writes all bytes; at the first error returns false with errno set.
bool write_all(int fd, std::span<const uint8_t> bytes) {
  constexpr size_t kMostAtOnce = size_t{1} << 30;  // Linux writes at most 2 GiB a call
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), std::min(bytes.size(), kMostAtOnce));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return false;
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

// Removes the temporary file unless it has become the real one.
struct Temporary {
  std::filesystem::path path;
  bool renamed = false;

  ~Temporary() {
    if (!renamed) {
      ::unlink(path.c_str());
    }
  }
};

}  // namespace

bool FileDescriptor::close() {
  const int fd = release();
  return fd < 0 || ::close(fd) == 0;
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const FileDescriptor file = open_regular(path, size_);
  if (size_ > 0) {  // mmap refuses a length of 0
    void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    require<DataError>(data != MAP_FAILED, "{}: cannot map {} bytes: {}", path.string(), size_,
                       reason());
    data_ = static_cast<const uint8_t*>(data);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<uint8_t*>(data_), size_);
  }
}

// As read(), but begins again after a signal.
static size_t read_some(const FileDescriptor& file, const std::filesystem::path& path, char* to,
                        size_t most) {
  while (true) {
    const ssize_t got = ::read(file.get(), to, most);
    if (got >= 0 || errno != EINTR) {
      require<DataError>(got >= 0, "{}: cannot read: {}", path.string(), reason());
      return static_cast<size_t>(got);
    }
  }
}

void read_in_pieces(const std::filesystem::path& path, const TakePiece& take) {
  size_t size = 0;
  const FileDescriptor file = open_regular(path, size);
  std::string piece(size_t{1} << 20, '\0');
  while (const size_t got = read_some(file, path, piece.data(), piece.size())) {
    if (!take(std::string_view(piece).substr(0, got), static_cast<int64_t>(size))) {
      return;
    }
  }
}

std::string read_text_file(const std::filesystem::path& path, int64_t max_bytes) {
  size_t size = 0;
  const FileDescriptor file = open_regular(path, size);
  require<DataError>(size <= static_cast<size_t>(max_bytes), "{}: {} bytes, at most {} are read",
                     path.string(), size, max_bytes);
  std::string text(size, '\0');
  size_t have = 0;
  while (have < size) {
    const size_t got = read_some(file, path, text.data() + have, size - have);
    if (got == 0) {
      break;  // truncated in the meantime
    }
    have += got;
  }
  text.resize(have);
  const std::string stand_in =
      stand_in_kind({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  require<DataError>(stand_in.empty(), "{}: {}", path.string(), stand_in);
  return text;
}

bool append_record(const FileDescriptor& file, std::string_view record) {
  const off_t end = ::lseek(file.get(), 0, SEEK_END);
  const ssize_t written = ::write(file.get(), record.data(), record.size());
  if (written == static_cast<ssize_t>(record.size())) {
    return true;
  }
  const int why = written < 0 ? errno : ENOSPC;
  if (written > 0 && end >= 0 && ::ftruncate(file.get(), end) != 0) {
    // The part stays. Readers and a resumed run cut it off.
  }
  errno = why;
  return false;
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  const std::string path = (folder / ".lock").string();
  file_ = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
  require<DataError>(file_.open(), "{}: cannot create: {}", path, reason());
  require<DataError>(::flock(file_.get(), LOCK_EX | LOCK_NB) == 0,
                     "{}: another process is using this run folder; wait for it or give --out",
                     folder.string());
}

// Removes the temporary files of `name` whose processes have ended. Only this machine's processes
// are known: one on another machine, or in another container, that shares the folder and saves the
// same file just now fails to rename, as if its disk were full.
static void remove_left_behind(const std::filesystem::path& folder, const std::string& name) {
  std::error_code failed;  // a folder that cannot be read: creating the file tells
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string found = entry->path().filename().native();
    std::string_view middle = found;
    if (!middle.starts_with("." + name + ".") || !middle.ends_with(".tmp")) {
      continue;
    }
    middle.remove_prefix(name.size() + 2);
    const auto process = number_of<pid_t>(middle.substr(0, middle.rfind(".tmp")));
    if (process && *process > 0 && ::kill(*process, 0) != 0 && errno == ESRCH) {
      ::unlink(entry->path().c_str());
    }
  }
}

// Note [Atomic replacement]. A reader sees the old file or the new one, never a part: the bytes are
// on the disk (fsync) before the name points at them (rename), and the name is on the disk (fsync
// of the folder) before we return. The temporary's name has the process in it: of two that write
// the same file (a report, while its run is training) the later one wins, with a whole file. What a
// crash leaves behind, the next save of the same file removes before it writes.
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const ByteSink&)>& write) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const auto check = [&](bool ok, const char* step) {
    require<Error>(ok, "{}: cannot save: {} failed: {}; the old file, if any, is untouched",
                       path.string(), step, reason());
  };
  remove_left_behind(folder, path.filename().string());
  Temporary temporary{folder / fmt::format(".{}.{}.tmp", path.filename().string(), ::getpid())};
  FileDescriptor file(::open(temporary.path.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666));
  check(file.open(), "creating the temporary file");
  write([&](std::span<const uint8_t> bytes) { check(write_all(file.get(), bytes), "writing"); });
  check(::fsync(file.get()) == 0, "fsync");
  check(file.close(), "closing");
  check(std::rename(temporary.path.c_str(), path.c_str()) == 0, "renaming");
  temporary.renamed = true;
  // The new file is now in place; EINVAL: this file system cannot fsync folders.
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool synchronised =
      directory.open() && (::fsync(directory.get()) == 0 || errno == EINVAL);
  require<Error>(synchronised, "{}: saved, but the folder cannot be synchronised: {}",
                 path.string(), reason());
}

void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes) {
  write_file_atomically(path, [bytes](const ByteSink& sink) { sink(bytes); });
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(path,
                        std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

}  // namespace mld
