// The best few of many candidates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mld {

// Drops all but the first `most` by better(a, b), a total order; those stay in any order.
template <class T, class Better>
void drop_all_but_best(std::vector<T>& candidates, int64_t most, Better&& better) {
  if (std::ssize(candidates) > most) {
    const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(most);
    std::ranges::nth_element(candidates, end, better);
    candidates.erase(end, candidates.end());
  }
}

// The same, sorted, and without memory for more.
template <class T, class Better>
void keep_best(std::vector<T>& candidates, int64_t most, Better&& better) {
  drop_all_but_best(candidates, most, better);
  std::ranges::sort(candidates, better);
  candidates.shrink_to_fit();
}

// Now and then while candidates are collected, so that few are in memory at a time.
template <class T, class Better>
void keep_best_of_many(std::vector<T>& candidates, int64_t most, Better&& better) {
  constexpr int64_t kAtLeast = 1024;
  if (std::ssize(candidates) > 2 * std::max(most, kAtLeast)) {
    drop_all_but_best(candidates, most, better);
  }
}

}  // namespace mld
