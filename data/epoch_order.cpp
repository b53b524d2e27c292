#include "data/epoch_order.h"

#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace mld {

constexpr uint32_t kShuffleStream = 0x4C0000;  // the loader's other streams: data/loader.h

int64_t epoch_visits(int64_t samples, int64_t repeats) {
  constexpr int64_t kRound = 256;
  return repeats == 1 || samples < kRound ? samples : samples / kRound * kRound;
}

std::vector<int64_t> epoch_order(int64_t samples, uint64_t seed, int64_t epoch, int64_t repeats) {
  require<DataError>(samples <= std::numeric_limits<int32_t>::max(),
                     "loader: {} samples, at most {}", samples,
                     std::numeric_limits<int32_t>::max());
  std::vector<int64_t> order(static_cast<size_t>(samples));
  std::iota(order.begin(), order.end(), int64_t{0});
  RandomStream random({seed, static_cast<uint64_t>(epoch), kShuffleStream});
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<size_t>(random.below(static_cast<int>(i)))]);
  }
  if (repeats == 1) {
    return order;
  }
  std::vector<int64_t> visits(static_cast<size_t>(epoch_visits(samples, repeats)));
  for (size_t i = 0; i < visits.size(); ++i) {
    visits[i] = order[i / static_cast<size_t>(repeats)];
  }
  return visits;
}

}  // namespace mld
