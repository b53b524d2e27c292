// The README's commands, as they stand there but for the length of training.
#pragma once

#include <cstdlib>

#include "data/text.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace mld::test {

// The lines of the first code block below a heading.
inline std::vector<std::string> commands_below(const std::string& heading) {
  const std::string readme = read_file(fs::path(source_dir()) / "README.md");
  const size_t section = readme.find("\n" + heading + "\n");
  REQUIRE(section != std::string::npos);
  const size_t begin = readme.find("\n```\n", section) + 5, end = readme.find("\n```\n", begin);
  REQUIRE(end != std::string::npos);
  return filled_lines(readme.substr(begin, end - begin));
}

// A folder in which the README's commands find the programs and the configs.
class Clone {
 public:
  Clone() {
    fs::create_directory_symlink(binary_dir(), folder_.path() / "build");
    fs::create_directory_symlink(fs::path(source_dir()) / "configs", folder_.path() / "configs");
  }
  const fs::path& path() const { return folder_.path(); }

  // Runs a line of the README, which must succeed; returns what it wrote. Training is short.
  std::string run(const std::string& line) const {
    CAPTURE(line);
    REQUIRE(line.starts_with("build/ml"));
    const bool trains = line.find("mltrain configs/") != std::string::npos;
    const std::string shorter = trains ? " train.epochs=1 data.train_size=32 data.val_size=48" : "";
    const std::string out = (path() / "out").string();
    const std::string command = "cd '" + path().string() + "' && " +
                                line.substr(0, line.find(" #")) + shorter + " >'" + out +
                                "' 2>&1";
    const int status = std::system(command.c_str());
    INFO(read_file(out));
    CHECK(status == 0);
    return read_file(out);
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace mld::test
