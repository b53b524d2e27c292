#include <algorithm>

#include "tests/readme.h"

namespace mld::test {

TEST_CASE("the README's zero-shot commands run") {
  const Clone clone;
  std::vector<std::string> outputs;
  for (const std::string& line : commands_below("## Labels that training never saw")) {
    outputs.push_back(clone.run(line));
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
