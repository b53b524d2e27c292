#include "app/class_table.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <fmt/core.h>

#include "data/text.h"

namespace mld {

static std::string histogram_bar(int64_t count, int64_t largest, bool utf8) {
  constexpr int64_t kWidth = 30;
  const int64_t length = largest > 0 ? (count * kWidth + largest - 1) / largest : 0;
  return utf8 ? fmt::format("{:▇<{}}", "", length) : fmt::format("{:#<{}}", "", length);
}

std::string class_table(std::span<const std::string> names, std::span<const int64_t> counts,
                        bool utf8) {
  constexpr size_t kMostShown = 40, kEnds = 15;
  const size_t n = names.size();
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  const bool all = n <= kMostShown;
  if (!all) {  // the most frequent first; equally frequent ones keep their order
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return counts[a] > counts[b]; });
  }
  const int64_t largest = n > 0 ? *std::max_element(counts.begin(), counts.end()) : 0;
  std::string text;
  for (size_t i = 0; i < n; ++i) {
    if (!all && i == kEnds) {
      text += fmt::format("  ... {} of {} classes, with {} to {} pictures ...\n", n - 2 * kEnds, n,
                          counts[order[n - kEnds - 1]], counts[order[kEnds]]);
      i = n - kEnds;
    }
    const size_t k = order[i];
    text += fmt::format("  {:<24} {:>7} {}\n", printable(names[k]), counts[k],
                        histogram_bar(counts[k], largest, utf8));
  }
  return text;
}

}  // namespace mld
