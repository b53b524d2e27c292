// A build without the libraries for pictures (MLD_PICTURES=OFF) refuses first what it cannot do.
#include "data/formats/shapes.h"
#include "tests/data_files.h"

namespace mld::test {

TEST_CASE("shapes: an export that cannot encode leaves no folder behind") {
  const TemporaryFolder folder;
  for (const bool jpeg : {false, true}) {
    const std::string message = message_of<Error>(
        [&] { export_shapes(folder.path() / "out", {.jpeg = jpeg}); }, folder.path());
    CHECK(message.starts_with(jpeg ? "ROOT/out: this build has no JPEG encoder"
                                   : "ROOT/out: this build has no PNG encoder"));
    CHECK_FALSE(fs::exists(folder.path() / "out"));
  }
}

}  // namespace mld::test
