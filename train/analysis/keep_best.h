// The best few of many candidates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mld {

// Sorts by better(a, b), a total order, and drops all but the first `most`.
template <class T, class Better>
void keep_best(std::vector<T>& candidates, int64_t most, Better&& better) {
  if (std::ssize(candidates) > most) {
    const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(most);
    std::ranges::nth_element(candidates, end, better);
    candidates.erase(end, candidates.end());
  }
  std::ranges::sort(candidates, better);
}

// The same now and then while candidates are collected, so that few are kept at a time.
template <class T, class Better>
void keep_best_of_many(std::vector<T>& candidates, int64_t most, Better&& better) {
  constexpr int64_t kAtLeast = 1024;
  if (std::ssize(candidates) > 2 * std::max(most, kAtLeast)) {
    keep_best(candidates, most, better);
  }
}

}  // namespace mld
