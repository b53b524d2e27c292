// Blurring along one axis with [1, 2, 1] / 4 and reflected ends, every second pixel kept: which
// pixels meet, with what weight. The backends' blur_pool applies it to both axes.
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace mld {

// The pixels, out of `in` >= 2, that output o is made of; their weights are 1/4, 1/2, 1/4.
struct BlurWindow {
  int64_t before, at, after;

  MLD_HOST_DEVICE BlurWindow(int64_t o, int64_t in)
      : before(o == 0 ? 1 : 2 * o - 1), at(2 * o), after(2 * o + 1 == in ? in - 2 : 2 * o + 1) {}
};

// The transpose: the outputs that pixel i of `in` is a part of, with its weight in each. An even
// pixel is the centre of one; an odd one lies between two, or counts twice for one at an end.
struct BlurTargets {
  int64_t first, second;
  float first_weight, second_weight;

  MLD_HOST_DEVICE BlurTargets(int64_t i, int64_t in) : first(i / 2), second(first) {
    if (i % 2 == 0) {
      first_weight = 0.5f;
      second_weight = 0;
    } else {
      const bool last = i + 1 >= in;  // nothing lies behind it
      second = last ? first : first + 1;
      first_weight = i == 1 ? 0.5f : 0.25f;
      second_weight = last ? 0.0f : i + 2 == in ? 0.5f : 0.25f;
    }
  }
};

}  // namespace mld
