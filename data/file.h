// Whole files: reading them, replacing one safely, a lock on a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mld {

// An open file descriptor that closes itself.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    close();
    fd_ = other.release();
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  // False if the system reports a delayed error (a full disk, a network file system).
  bool close();
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_ = -1;
};

// A whole regular file mapped read-only into memory; the bytes live as long as the object.
// If another program truncates the file in the meantime, access fails with SIGBUS.
class MappedFile {
 public:
  // Errors: DataError for a missing or unreadable file or one that is not a regular file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Reads a regular file of at most max_bytes. Errors: DataError naming the file, as MappedFile's,
// and for a longer file or a stand-in for the real one (see stand_in_kind).
std::string read_text_file(const std::filesystem::path& path, int64_t max_bytes);

// Replaces a file so that a crash at any moment leaves the old or the new one: temporary file in
// the same directory, write, fsync, rename, fsync of the directory. Errors: Error naming the file
// and the system's reason (after a full disk the old file is untouched, the temporary removed).
void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Appends a record to an open file in one write, so that a kill leaves at most a part of it. False,
// with errno set, if it does not fit: then nothing of it stays, so that what follows is readable.
bool append_record(const FileDescriptor& file, std::string_view record);

// Takes the next bytes of a file.
using ByteSink = std::function<void(std::span<const uint8_t>)>;
// The same for a file that is never whole in memory: `write` hands its pieces to the sink in order.
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const ByteSink&)>& write);

// Locks `folder` for one process: two runs that save into the same folder would mix their files.
// The lock ends with the process, even if it is killed.
class FolderLock {
 public:
  // Errors: DataError if another process holds it or the lock file cannot be made.
  explicit FolderLock(const std::filesystem::path& folder);

 private:
  FileDescriptor file_;
};

}  // namespace mld
