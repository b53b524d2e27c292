#include "autograd/ops/common.h"

namespace mld {

Var drop_path(const Var& x, float p) {
  require(x.shape().rank() >= 1, "drop_path: x must be [N, ...], got {}", x.shape());
  return ops::drop_parts("drop_path", x, p,
                         [](Device device) { return KERNEL(device, drop_path); });
}

}  // namespace mld
