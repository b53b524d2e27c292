// The table of classes that `mltrain check` prints.
#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "app/class_table.h"

namespace mld {

static int64_t lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

TEST_CASE("few classes: a line each, in their order, bars by the largest") {
  const std::vector<std::string> names = {"cat", "dog\n", "none"};
  const std::vector<int64_t> counts = {1, 30, 0};
  std::string bar;
  for (int i = 0; i < 30; ++i) {
    bar += "▇";
  }
  CHECK_EQ(class_table(names, counts), "  cat                            1 ▇\n"
                                       "  dog\\n                         30 " + bar + "\n"
                                       "  none                           0 \n");
  CHECK_EQ(class_table({}, {}), "");
  CHECK(class_table(names, counts, false).find("  30 " + std::string(30, '#') + "\n") !=
        std::string::npos);
}

TEST_CASE("many classes: the most and the least frequent, and how many between") {
  std::vector<std::string> names;
  std::vector<int64_t> counts;
  for (int64_t i = 0; i < 20000; ++i) {
    names.push_back("c" + std::to_string(i));
    counts.push_back((i * 7919) % 20000);  // each number once, unsorted
  }
  const std::string text = class_table(names, counts);
  CHECK_EQ(lines(text), 31);
  CHECK_NE(text.find("  ... 19970 of 20000 classes, with 15 to 19984 pictures ...\n"),
           std::string::npos);
  for (int64_t count : {0, 14, 19985, 19999}) {
    const auto k = std::find(counts.begin(), counts.end(), count) - counts.begin();
    CHECK_NE(text.find("  c" + std::to_string(k) + " "), std::string::npos);
  }
  names.resize(40);
  counts.resize(40);
  CHECK_EQ(lines(class_table(names, counts)), 40);  // all of them, none twice
  names.push_back("one more");
  counts.push_back(1);
  CHECK_EQ(lines(class_table(names, counts)), 31);
}

}  // namespace mld
