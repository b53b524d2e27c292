// Shared by the data tests: temporary folders, small picture files, messages of errors.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/error.h"
#include "data/formats/open.h"
#include "tests/paths.h"

namespace mld::test {

namespace fs = std::filesystem;

inline const fs::path kFixtures = fs::path(source_dir()) / "tests/fixtures";

// The folder `name` of real data sets, in $MLD_SHARED or ../shared; empty if absent.
inline fs::path shared_data(const std::string& name) {
  const char* shared = std::getenv("MLD_SHARED");
  const fs::path base = shared != nullptr ? shared : fs::path(source_dir()) / "../shared";
  const fs::path folder = base / "data" / name;
  if (!fs::is_directory(folder)) {
    MESSAGE("SKIPPED: no ", folder.string());
    return {};
  }
  return folder;
}

// A fresh folder, removed at the end of the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = fs::temp_directory_path() / ("mld_data_" + std::to_string(::getpid()) + "_" +
                                         std::to_string(count++));
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const fs::path& path() const { return path_; }
  // Writes a file and the folders above it.
  void write(const fs::path& relative, const std::string& content) const {
    fs::create_directories((path_ / relative).parent_path());
    std::ofstream(path_ / relative, std::ios::binary) << content;
  }
  // A PPM picture of one colour; another `grey` makes another picture.
  void write_picture(const fs::path& relative, int grey, int width = 4, int height = 3) const {
    const size_t bytes = static_cast<size_t>(width) * static_cast<size_t>(height) * 3;
    write(relative, "P6\n" + std::to_string(width) + " " + std::to_string(height) + "\n255\n" +
                        std::string(bytes, static_cast<char>(grey)));
  }

 private:
  fs::path path_;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

inline DataOptions options_for(const fs::path& root, const std::string& format = "auto") {
  DataOptions options;
  options.root = root;
  options.format = format;
  return options;
}

// How the message about a missing val split ends.
inline const std::string kOrAPart =
    "; or let data.val_fraction = 0.1 take a part of the training pictures";

// What sample i says of a class.
inline Label label_of(const Dataset& data, int64_t i, size_t column) {
  for (const LabelEntry& entry : data.labels(i)) {
    if (entry.column == static_cast<int32_t>(column)) {
      return entry.label;
    }
  }
  return Label::absent;
}

// How many samples say `label` of a class.
inline int64_t count(const Dataset& data, size_t column, Label label) {
  int64_t sum = 0;
  for (int64_t i = 0; i < data.size(); ++i) {
    sum += label_of(data, i, column) == label;
  }
  return sum;
}

// The message of the E that action() must throw, with ROOT for the folder's name.
template <class E, class Action>
std::string message_of(Action&& action, const fs::path& root = {}) {
  std::string message;
  try {
    action();
    return "no error";
  } catch (const E& error) {
    message = error.what();
  } catch (const std::exception& error) {
    return std::string("another type of error: ") + error.what();
  }
  const std::string name = root.string();
  for (size_t at = 0; !name.empty() && (at = message.find(name, at)) != std::string::npos;) {
    message.replace(at, name.size(), "ROOT");
  }
  return message;
}

}  // namespace mld::test
