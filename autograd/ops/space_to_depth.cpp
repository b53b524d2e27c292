// space_to_depth: blocks of pixels become channels.
#include "autograd/ops/common.h"

namespace mld {

Var space_to_depth(const Var& x, int block) {
  ops::check_values("space_to_depth", "x", x.value, "[N, H, W, C]");
  require(block >= 1, "space_to_depth: block must be positive, got {}", block);
  const int64_t N = x.shape()[0], H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  require(H % block == 0 && W % block == 0,
          "space_to_depth: x is {}, but height and width must be multiples of {}", x.shape(),
          block);
  Tensor y({N, H / block, W / block, block * block * C}, x.dtype(), x.device());
  KERNEL(x.device(), space_to_depth)(x.value, block, y);
  return record("space_to_depth", y, {x}, [block, shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), depth_to_space)(dy, block, dx);
    return {dx};
  });
}

}  // namespace mld
