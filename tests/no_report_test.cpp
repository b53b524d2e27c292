// A build without ctemplate (MLD_REPORT=OFF) refuses pages, and says so before it reads pictures.
#include "app/infer.h"
#include "app/report.h"
#include "tests/bright_model.h"

namespace mld::test {

TEST_CASE("errors: a build that writes no pages says how to get one that does") {
  const TemporaryFolder folder;
  CHECK(message_of<Error>([] { write_report({.runs = {"runs/a"}, .out = ""}); }) ==
        "report: this build writes no reports (it was made with -DMLD_REPORT=OFF); build with "
        "-DMLD_REPORT=ON, which needs the package libctemplate-dev");
  PredictCommand command;
  command.checkpoint = Bright({"bright", "dark"}).save(folder);
  command.pictures = {(folder.path() / "a.ppm").string()};
  write_spot(folder, "a.ppm", kSide, kSide, 0, 0, kPatch);
  command.html = (folder.path() / "page.html").string();
  CHECK(message_of<Error>([&] { execute(command); }) ==
        "predict: --html: this build writes no pages (it was made with -DMLD_REPORT=OFF); build "
        "with -DMLD_REPORT=ON, which needs the package libctemplate-dev");
  CHECK_FALSE(fs::exists(folder.path() / "page.html"));
}

}  // namespace mld::test
