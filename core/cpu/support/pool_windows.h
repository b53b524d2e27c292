// Pooling windows along one axis, clipped at the border.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/specs.h"

namespace mld::cpu {

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// The inputs, out of `in`, that output o sees.
inline Range inputs_of(int64_t o, int64_t in, const PoolSpec& spec) {
  const int64_t start = o * spec.stride - spec.pad;
  return {std::max<int64_t>(0, start), std::min<int64_t>(in, start + spec.kernel)};
}

// The outputs, out of `out`, that see input i.
inline Range outputs_of(int64_t i, int64_t out, const PoolSpec& spec) {
  const int64_t reach = i + spec.pad;  // from the first window's start
  const int64_t first = reach < spec.kernel ? 0 : (reach - spec.kernel) / spec.stride + 1;
  return {first, std::min<int64_t>(out, reach / spec.stride + 1)};
}

// Channels taken at a time, so that a window's intermediate results stay in the L1 cache.
inline constexpr int64_t kPoolChannels = 128;

}  // namespace mld::cpu
