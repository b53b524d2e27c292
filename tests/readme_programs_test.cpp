// The README's commands on labels that training never saw, as they stand there but for the length
// of the training.
#include <algorithm>
#include <cstdlib>

#include "data/text.h"
#include "tests/paths.h"
#include "tests/program.h"

namespace mld::test {
namespace {

// The lines of the first code block below a heading.
std::vector<std::string> commands_below(const std::string& heading) {
  const std::string readme = read_file(fs::path(source_dir()) / "README.md");
  const size_t section = readme.find("\n" + heading + "\n");
  REQUIRE(section != std::string::npos);
  const size_t begin = readme.find("\n```\n", section) + 5, end = readme.find("\n```\n", begin);
  REQUIRE(end != std::string::npos);
  return filled_lines(readme.substr(begin, end - begin));
}

}  // namespace

TEST_CASE("the README's zero-shot commands run") {
  const TemporaryFolder folder;
  fs::create_directory_symlink(binary_dir(), folder.path() / "build");
  fs::create_directory_symlink(fs::path(source_dir()) / "configs", folder.path() / "configs");
  std::vector<std::string> outputs;
  for (const std::string& line : commands_below("## Labels that training never saw")) {
    CAPTURE(line);
    REQUIRE(line.starts_with("build/ml"));
    const bool trains = line.find("mltrain configs/") != std::string::npos;
    const std::string shorter = trains ? " train.epochs=1 data.train_size=32 data.val_size=48" : "";
    const std::string out = (folder.path() / "out").string();
    const std::string command = "cd '" + folder.path().string() + "' && " +
                                line.substr(0, line.find(" #")) + shorter + " >'" + out +
                                "' 2>&1";
    const int status = std::system(command.c_str());
    INFO(read_file(out));
    CHECK(status == 0);
    outputs.push_back(read_file(out));
  }
  REQUIRE(outputs.size() == 7);
  CHECK(contains(outputs[0], "mAP_ZSL"));
  CHECK(contains(outputs[1], "chance_ZSL"));
  CHECK(contains(outputs[3], "blue cross *"));
  CHECK(contains(outputs[3], "blue circle\n"));
  CHECK(std::ranges::count(outputs[4], '\n') == 3);
  CHECK(std::ranges::count(outputs[6], '\n') == 20);
}

}  // namespace mld::test
