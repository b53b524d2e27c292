// Tensors to try things on.
#pragma once

#include "nn/init.h"

namespace mld::test {

// N(0, 1); every stream has its own values.
inline Tensor normal_tensor(const Shape& shape, uint32_t stream) {
  Parameter p(shape);
  RandomStream random({12, 0, stream});
  fill_normal(p, random, 1.0);
  return p.value;
}

}  // namespace mld::test
