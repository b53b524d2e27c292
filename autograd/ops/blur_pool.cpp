// blur_pool: a fixed blur that keeps every second pixel (arXiv 1904.11486).
#include "autograd/ops/common.h"

namespace mld {

Var blur_pool(const Var& x) {
  ops::check_values("blur_pool", "x", x.value, "[N, H, W, C]");
  const int64_t N = x.shape()[0], H = x.shape()[1], W = x.shape()[2], C = x.shape()[3];
  require(H >= 2 && W >= 2,
          "blur_pool: x is {}, but a reflected border needs two rows and two columns", x.shape());
  Tensor y({N, (H + 1) / 2, (W + 1) / 2, C}, x.dtype(), x.device());
  KERNEL(x.device(), blur_pool_forward)(x.value, y);
  return record("blur_pool", y, {x}, [shape = x.shape()](const Tensor& dy) -> Grads {
    Tensor dx(shape, dy.dtype(), dy.device());
    KERNEL(dy.device(), blur_pool_backward)(dy, dx);
    return {dx};
  });
}

}  // namespace mld
