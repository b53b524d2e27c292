#include "tests/readme.h"

namespace mld::test {

TEST_CASE("the README's commands for reports and galleries run") {
  const Clone clone;
  clone.run("build/mltrain configs/shapes_resnet18.toml");
  clone.run("build/mltrain shapes-export pictures train=8 val=8 image_size=96");
  const std::vector<std::string> lines = commands_below("## Looking at what it learnt");
  REQUIRE(lines.size() == 5);
  for (const std::string& line : lines) {
    clone.run(line);
  }
  CHECK(contains(read_file(clone.path() / "runs/shapes_resnet18/report.html"), "id=\"attention\""));
  CHECK(contains(read_file(clone.path() / "gallery.html"), "<figure"));
  CHECK(contains(read_file(clone.path() / "both.html"), "logged"));
  CHECK(fs::exists(clone.path() / "mlruns"));
}

}  // namespace mld::test
