#include "autograd/ops/common.h"

namespace mld {

Var dropout(const Var& x, float p) {
  return ops::drop_parts("dropout", x, p, [](Device device) { return KERNEL(device, dropout); });
}

}  // namespace mld
